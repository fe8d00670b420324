/* tools/meterboxctl/json.c: see ctl_json.h.
 *
 * Room: meterboxctl; cJSON. */
#include "ctl_json.h"

#include "ctl_text.h"

bool ctl_json_text(const cJSON *object, const char *name, char *value, size_t size)
{
	const cJSON *item = cJSON_GetObjectItemCaseSensitive(object, name);
	if (!cJSON_IsString(item))
		return false;
	ctl_escape(value, size, item->valuestring);
	return true;
}

bool ctl_json_whole(const cJSON *object, const char *name, int64_t low, int64_t high, int64_t *value)
{
	const cJSON *item = cJSON_GetObjectItemCaseSensitive(object, name);
	if (!cJSON_IsNumber(item) || !(item->valuedouble >= (double)low && item->valuedouble <= (double)high) ||
	    item->valuedouble != (double)(int64_t)item->valuedouble)
		return false;
	*value = (int64_t)item->valuedouble;
	return true;
}

bool ctl_json_bool(const cJSON *object, const char *name, bool *value)
{
	const cJSON *item = cJSON_GetObjectItemCaseSensitive(object, name);
	if (!cJSON_IsBool(item))
		return false;
	*value = cJSON_IsTrue(item);
	return true;
}

const cJSON *ctl_json_array(const cJSON *object, const char *name)
{
	const cJSON *item = cJSON_GetObjectItemCaseSensitive(object, name);
	return cJSON_IsArray(item) ? item : NULL;
}

const cJSON *ctl_json_object(const cJSON *object, const char *name)
{
	const cJSON *item = cJSON_GetObjectItemCaseSensitive(object, name);
	return cJSON_IsObject(item) ? item : NULL;
}
