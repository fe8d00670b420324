/* tests/fuzz/replay.c: runs a fuzz target on files without a fuzzer: each file given, or all files of each folder given.
 * So the corpus, and every input that once failed, replays as an ordinary test. Fails when it ran nothing. */
#include <dirent.h>
#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define INPUT_MAX (1 << 20) /* a longer file is no input of ours: an error */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int complain(const char *path, const char *what)
{
	fprintf(stderr, "replay: %s: %s\n", path, what);
	return -1;
}

/* Runs one file. 0 or -1. The block is exactly as long as the file, so that a byte read too far is seen. */
static int run_file(const char *path, size_t size)
{
	FILE *file = fopen(path, "rb");

	if (file == NULL)
		return complain(path, strerror(errno));

	uint8_t *data = malloc(size > 0 ? size : 1);
	bool whole = data != NULL && fread(data, 1, size, file) == size;

	fclose(file);
	if (whole)
		LLVMFuzzerTestOneInput(data, size);
	free(data);
	return whole ? 0 : complain(path, "cannot be read");
}

static int run_path(const char *path, bool folders, unsigned *count);

static int run_folder(const char *path, unsigned *count)
{
	char inner[4096];
	int result = 0;
	const struct dirent *entry;
	DIR *folder = opendir(path);

	if (folder == NULL)
		return complain(path, strerror(errno));
	while ((entry = readdir(folder)) != NULL) {
		if (entry->d_name[0] == '.')
			continue;
		if (snprintf(inner, sizeof(inner), "%s/%s", path, entry->d_name) >= (int)sizeof(inner))
			result = complain(path, "too long a name");
		else if (run_path(inner, false, count) < 0)
			result = -1;
	}
	closedir(folder);
	return result;
}

/* A file, or a folder where those are allowed; folders inside folders are passed over. */
static int run_path(const char *path, bool folders, unsigned *count)
{
	struct stat status;

	if (stat(path, &status) != 0)
		return complain(path, strerror(errno));
	if (S_ISDIR(status.st_mode))
		return folders ? run_folder(path, count) : 0;
	if (!S_ISREG(status.st_mode) || status.st_size > INPUT_MAX)
		return complain(path, "not a file of at most 1 MiB");
	++*count;
	return run_file(path, (size_t)status.st_size);
}

int main(int argc, char **argv)
{
	unsigned count = 0;
	int result = 0;

	for (int i = 1; i < argc; i++) {
		if (run_path(argv[i], true, &count) < 0)
			result = -1;
	}
	printf("replay: %u inputs\n", count);
	if (count == 0)
		complain("nothing", "name files or folders that have some");
	return result == 0 && count > 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
