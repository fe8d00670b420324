/* tools/meterboxctl/ctl_json.h: values out of what the daemon said, each checked.
 *
 * Room: meterboxctl; cJSON. All of them: false, *value untouched, when the value is not there, of another type or out of
 * its limits. */
#ifndef CTL_JSON_H
#define CTL_JSON_H

#include <cjson/cJSON.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define CTL_WHOLE_MAX INT64_C(9007199254740991) /* beyond this JSON's numbers skip integers */

/* Escaped for the terminal (ctl_escape()) and cut to size. */
bool ctl_json_text(const cJSON *object, const char *name, char *value, size_t size);
bool ctl_json_whole(const cJSON *object, const char *name, int64_t low, int64_t high, int64_t *value);
bool ctl_json_bool(const cJSON *object, const char *name, bool *value);

/* An array or object of that name; NULL when it is none. Owned by object. */
const cJSON *ctl_json_array(const cJSON *object, const char *name);
const cJSON *ctl_json_object(const cJSON *object, const char *name);

#endif
