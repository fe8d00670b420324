/* src/wire/json.h: JSON from a stranger, parsed within limits; and back to text.
 *
 * Room: src/model, cJSON. For whoever has documents of its own beside those of wire.h. */
#ifndef WIRE_JSON_H
#define WIRE_JSON_H

#include <cjson/cJSON.h>

#include "wire.h"

/* Parses text, at most max bytes, at most WIRE_DEPTH_MAX deep, one object without repeated names and nothing behind it.
 * At most WIRE_VALUES_MAX values when max is WIRE_TEXT_MAX or less, a few times as many when it is more.
 * NULL with *error filled when it is not. The caller frees it with cJSON_Delete(). */
cJSON *json_parse_object(const char *text, size_t length, size_t max, struct wire_error *error);

/* The object as text without spaces, or NULL when memory is short; deletes the object in both cases. */
char *json_print_and_delete(cJSON *object);

#endif
