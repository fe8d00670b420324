/* hal/io/model_file.h: reads a meter model from its file.
 *
 * Room: hal/core, inih. The format is described by the comments of etc/models/dlt645-2007.ini. */
#ifndef HAL_IO_MODEL_FILE_H
#define HAL_IO_MODEL_FILE_H

#include "meter_model.h"

#define MODEL_ERROR_SIZE 240

struct model_error {
	char text[MODEL_ERROR_SIZE]; /* "FILE:LINE: [section] key: what is wrong, what is allowed" */
};

/* 0; -EINVAL when the file is wrong; -EFBIG when it is longer than 64 KiB; or open()'s negative errno. *error says more;
 * *model is filled only with 0. */
int model_load(const char *path, struct meter_model *model, struct model_error *error);

#endif
