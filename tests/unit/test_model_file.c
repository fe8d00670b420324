/* tests/unit/test_model_file.c: the shipped meter models, and what is wrong with others. argv[1]: etc/models. */
#include <check.h>
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "model_file.h"

#define TEXT_MAX (70 * 1024)

static const char *models;
static char path[] = "/tmp/test-model-XXXXXX";
static struct meter_model model;
static struct model_error error;

static int load(const char *text, size_t length)
{
	FILE *file = fopen(path, "w");
	ck_assert_ptr_nonnull(file);
	ck_assert_uint_eq(fwrite(text, 1, length, file), length);
	ck_assert_int_eq(fclose(file), 0);
	error.text[0] = '\0';
	return model_load(path, &model, &error);
}

static int load_shipped(const char *name)
{
	char full[4096];
	snprintf(full, sizeof full, "%s/%s", models, name);
	return model_load(full, &model, &error);
}

static size_t read_shipped(const char *name, char *text)
{
	char full[4096];
	snprintf(full, sizeof full, "%s/%s", models, name);
	FILE *file = fopen(full, "r");
	ck_assert_ptr_nonnull(file);
	size_t count = fread(text, 1, TEXT_MAX - 1, file);
	fclose(file);
	text[count] = '\0';
	return count;
}

START_TEST(all_shipped_load)
{
	int count = 0;
	DIR *dir = opendir(models);
	ck_assert_ptr_nonnull(dir);
	for (struct dirent *entry; (entry = readdir(dir)) != NULL;) {
		if (strstr(entry->d_name, ".ini") == NULL)
			continue;
		ck_assert_msg(load_shipped(entry->d_name) == 0, "%s", error.text);
		ck_assert_msg(meter_model_fault(&model) == NULL, "%s: %s", entry->d_name, meter_model_fault(&model));
		count++;
	}
	closedir(dir);
	ck_assert_int_ge(count, 3);
}
END_TEST

/* What a recorded answer of the model must decode to. */
static const struct {
	const char *file;
	enum meter_quantity quantity;
	const char *bytes; /* of the answer, behind the identifier; of the registers */
	int64_t value;
} answers[] = {
	{"dlt645-2007.ini", METER_ENERGY, "78 56 34 12", 123456780000},
	{"dlt645-2007.ini", METER_POWER, "45 23 81", -1234500},
	{"dlt645-2007.ini", METER_CURRENT_A, "23 51 80", -5123},
	{"dlt645-2007.ini", METER_VOLTAGE_A, "05 23", 230500},
	{"dlt645-2007.ini", METER_FREQUENCY, "98 49", 49980},
	{"dlt645-2007.ini", METER_STATUS_3, "50 00", 0x50},
	{"dlt645-2007-3p.ini", METER_VOLTAGE_A, "56 22 FF FF FF FF", 225600},
	{"dlt645-2007-3p.ini", METER_VOLTAGE_C, "05 23 98 22 12 23", 231200},
	{"dlt645-2007-3p.ini", METER_CURRENT_B, "00 00 00 23 51 00 FF FF FF", 5123},
	{"sdm120.ini", METER_ENERGY, "44 9B 41 EC", 1242060000},
	{"sdm120.ini", METER_POWER, "C4 93 69 9A", -1179300},
	{"sdm120.ini", METER_VOLTAGE_A, "43 66 33 33", 230200},
	{"sdm120.ini", METER_FREQUENCY, "42 47 EB 85", 49980},
};

START_TEST(shipped_decode)
{
	uint8_t bytes[32];
	size_t count = 0;
	int64_t value = 0;
	ck_assert_msg(load_shipped(answers[_i].file) == 0, "%s", error.text);
	for (const char *c = answers[_i].bytes; *c != '\0'; c += strspn(c, " ")) {
		char *end;
		bytes[count++] = (uint8_t)strtoul(c, &end, 16);
		c = end;
	}
	const struct meter_item *item = &model.items[answers[_i].quantity];
	ck_assert(item->present);
	ck_assert_int_eq(meter_decode(item, bytes, count, &value), METER_VALUE);
	if (answers[_i].quantity == METER_ENERGY)
		value = meter_on_step(&model, value);
	/* floats of volts and watts are no round numbers */
	ck_assert_int_le(llabs(value - answers[_i].value), strstr(answers[_i].file, "sdm") ? 10 : 0);
}
END_TEST

START_TEST(shipped_facts)
{
	ck_assert_int_eq(load_shipped("dlt645-2007.ini"), 0);
	ck_assert_int_eq(model.protocol, METER_DLT645_2007);
	ck_assert_uint_eq(model.line.baud, 2400);
	ck_assert_int_eq(model.line.parity, PARITY_EVEN);
	ck_assert_int_eq(model.step_mwh, 10000);
	ck_assert_uint_eq(model.items[METER_ENERGY].di, 0x00010000);
	ck_assert_uint_eq(model.items[METER_SERIAL].di, 0x04000402);
	ck_assert(!model.items[METER_CURRENT_B].present);
	ck_assert_int_eq(load_shipped("dlt645-2007-3p.ini"), 0);
	ck_assert_uint_eq(model.items[METER_CURRENT_C].di, 0x0202FF00);
	ck_assert_uint_eq(model.items[METER_CURRENT_C].offset, 6);
	ck_assert_int_eq(load_shipped("sdm120.ini"), 0);
	ck_assert_int_eq(model.protocol, METER_MODBUS_RTU);
	ck_assert_uint_eq(model.items[METER_ENERGY].address, 0x48);
	ck_assert_uint_eq(model.items[METER_ENERGY].function, 4);
	ck_assert_uint_eq(model.items[METER_SERIAL].function, 3);
}
END_TEST

/* Replace `find` in dlt645-2007.ini by `with`: what the message must name. */
static const struct {
	const char *find;
	const char *with;
	const char *named;
} mistakes[] = {
	{"[energy]", "[enrgy]", "enrgy"},
	{"[power]", "[energy]", "twice"},
	{"baud = 2400", "bauds = 2400", "bauds"},
	{"baud = 2400", "baud = 2400\nbaud = 2400", "twice"},
	{"baud = 2400", "baud = fast", "baud"},
	{"baud = 2400", "baud = 2401", "baud"},
	{"baud = 2400", "", "baud"},
	{"parity = even", "parity = evn", "parity"},
	{"protocol = dlt645_2007", "protocol = x", "protocol"},
	{"step_wh = 10", "step_wh = 0", "step_wh"},
	{"step_wh = 10", "step_wh = -1", "step_wh"},
	{"step_wh = 10", "step_wh = 0.0001", "step_wh"},
	{"turnaround_ms = 500", "turnaround_ms = 0", "turnaround_ms"},
	{"typical_ms = 100", "typical_ms = 600", "typical"},
	{"di = 00010000", "di = 0001", "di"},
	{"di = 00010000", "di = 0001000G", "di"},
	{"bytes = 4", "bytes = 99", "bytes"},
	{"encoding = bcd\nunit = kWh", "encoding = bcdd\nunit = kWh", "encoding"},
	{"encoding = bcd\nunit = kWh", "unit = kWh", "encoding"},
	{"unit = kWh", "unit = kW", "unit"},
	{"unit = kWh", "", "unit"},
	{"scale = 0.01", "scale = 0", "scale"},
	{"scale = 0.01", "scale = 1e3", "scale"},
	{"di = 00010000", "register = 5", "energy"},
	{"name = DL/T 645-2007 single phase", "name = \x01", "name"},
	{"\n[model]\n", "\nname = x\n[model]\n", "no section"},
	{"\n[model]\n", "\n[model]\nnonsense\n", "KEY = VALUE"},
	{"encoding = bcd_text", "encoding = bcd_text\nscale = 2", "unit"},
};

START_TEST(mistake_is_named)
{
	char *text = calloc(1, TEXT_MAX);
	char *wrong = calloc(1, TEXT_MAX);
	read_shipped("dlt645-2007.ini", text);
	const char *at = strstr(text, mistakes[_i].find);
	ck_assert_ptr_nonnull(at);
	int length = snprintf(
		wrong, TEXT_MAX, "%.*s%s%s", (int)(at - text), text, mistakes[_i].with, at + strlen(mistakes[_i].find));
	memset(&model, 0x5a, sizeof model);
	struct meter_model before = model;
	ck_assert_int_eq(load(wrong, (size_t)length), -EINVAL);
	ck_assert_msg(
		strncmp(error.text, path, strlen(path)) == 0 && error.text[strlen(path)] == ':', "%s", error.text);
	ck_assert_msg(atoi(error.text + strlen(path) + 1) > 0, "no line: %s", error.text);
	ck_assert_msg(strstr(error.text, mistakes[_i].named) != NULL, "%s", error.text);
	ck_assert_int_eq(memcmp(&before, &model, sizeof model), 0);
	free(text);
	free(wrong);
}
END_TEST

START_TEST(no_text)
{
	char *text = calloc(1, TEXT_MAX);
	ck_assert_int_eq(model_load("/nonexistent.ini", &model, &error), -ENOENT);
	ck_assert_ptr_nonnull(strstr(error.text, "/nonexistent.ini"));
	ck_assert_int_eq(model_load("/tmp", &model, &error), -EISDIR);
	ck_assert_int_eq(load("", 0), -EINVAL);
	ck_assert_int_eq(load("[model]\0\n", 9), -EINVAL);
	memset(text, '#', TEXT_MAX);
	ck_assert_int_eq(load(text, 1000), -EINVAL);
	ck_assert_ptr_nonnull(strstr(error.text, "longer"));
	ck_assert_int_eq(load(text, TEXT_MAX), -EFBIG);
	free(text);
}
END_TEST

/* Whatever is changed in a good file, it is a good model or a sentence. */
START_TEST(mutations)
{
	char *text = calloc(1, TEXT_MAX);
	char *wild = calloc(1, TEXT_MAX);
	size_t length = read_shipped("sdm120.ini", text);
	srandom(7);
	for (int i = 0; i < 3000; i++) {
		memcpy(wild, text, length + 1);
		for (long changes = 1 + random() % 4; changes > 0; changes--)
			wild[(size_t)random() % length] =
				(char)(random() % 3 == 0 ? random() % 256 : "\n[]=#;. 0x9"[random() % 11]);
		int result = load(wild, length);
		if (result == 0)
			ck_assert_msg(meter_model_fault(&model) == NULL, "%s", meter_model_fault(&model));
		else
			ck_assert(result == -EINVAL && strncmp(error.text, path, strlen(path)) == 0);
	}
	free(text);
	free(wild);
}
END_TEST

int main(int argc, char **argv)
{
	if (argc != 2)
		return EXIT_FAILURE;
	models = argv[1];
	close(mkstemp(path));
	Suite *s = suite_create("model_file");
	TCase *t = tcase_create("models");
	tcase_add_test(t, all_shipped_load);
	tcase_add_loop_test(t, shipped_decode, 0, (int)(sizeof answers / sizeof *answers));
	tcase_add_test(t, shipped_facts);
	tcase_add_loop_test(t, mistake_is_named, 0, (int)(sizeof mistakes / sizeof *mistakes));
	tcase_add_test(t, no_text);
	tcase_add_test(t, mutations);
	tcase_set_timeout(t, 60);
	suite_add_tcase(s, t);
	SRunner *r = srunner_create(s);
	srunner_run_all(r, CK_ENV);
	int failed = srunner_ntests_failed(r);
	srunner_free(r);
	unlink(path);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
