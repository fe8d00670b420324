/* tools/ops/server/ops_qr.h: the code that stands on an outlet, as a picture.
 *
 * Room: tools/ops/server; tools/ops/core, libqrencode. */
#ifndef OPS_QR_H
#define OPS_QR_H

#include <stdbool.h>

#include "offers.h"

#define OPS_PUBLIC_URL_SIZE 201

/* Whether it is an URL at which customers may find the server: http or https, a host, perhaps a port and a path, and
 * nothing that a text in XML would have to write otherwise. */
bool ops_qr_url_is_valid(const char *url);

/* An SVG of the QR code of PUBLIC_URL/o/CODE, with a title, and the code as text below; from malloc(). public_url is valid
 * as above; a slash at its end does not count. code is a place's. NULL when memory is short. */
char *ops_qr_svg(const char *public_url, const char *code);

#endif
