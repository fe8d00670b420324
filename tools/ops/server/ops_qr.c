/* tools/ops/server/ops_qr.c: see ops_qr.h.
 *
 * Room: tools/ops/server; tools/ops/core, libqrencode. */
#include "ops_qr.h"

#include <qrencode.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define QUIET_ZONE 4 /* modules on each side: ISO/IEC 18004 */
#define TEXT_ROOM 4 /* modules below, for the code */

bool ops_qr_url_is_valid(const char *url)
{
	static const char allowed[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-_~:/[]";
	size_t scheme = strncmp(url, "https://", 8) == 0 ? 8 : strncmp(url, "http://", 7) == 0 ? 7 : 0;
	size_t length = strnlen(url, OPS_PUBLIC_URL_SIZE);
	return scheme > 0 && length > scheme && length < OPS_PUBLIC_URL_SIZE && url[scheme] != '/' &&
	       url[scheme] != ':' && strspn(url, allowed) == length;
}

/* The dark modules, each run of them in a row as one rectangle. */
static void draw_modules(FILE *svg, const QRcode *qr)
{
	for (int y = 0; y < qr->width; y++) {
		const unsigned char *row = qr->data + y * qr->width;
		for (int x = 0, run; x < qr->width; x += run) {
			bool dark = (row[x] & 1) != 0;
			for (run = 1; x + run < qr->width && ((row[x + run] & 1) != 0) == dark; run++)
				;
			if (dark)
				fprintf(svg, "M%d,%dh%dv1h-%dz", x + QUIET_ZONE, y + QUIET_ZONE, run, run);
		}
	}
}

static void draw(FILE *svg, const QRcode *qr, const char *url, const char *code)
{
	int width = qr->width + 2 * QUIET_ZONE;
	int height = width + TEXT_ROOM;
	fprintf(svg,
		"<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 %d %d\" role=\"img\">\n"
		"<title>QR code of outlet %s</title>\n"
		"<desc>%s</desc>\n"
		"<path fill=\"#fff\" d=\"M0,0h%dv%dh-%dz\"/>\n"
		"<path fill=\"#000\" shape-rendering=\"crispEdges\" d=\"",
		width,
		height,
		code,
		url,
		width,
		height,
		width);
	draw_modules(svg, qr);
	fprintf(svg,
		"\"/>\n"
		"<text x=\"%d\" y=\"%d\" font-family=\"monospace\" font-size=\"3\" text-anchor=\"middle\">%s</text>\n"
		"</svg>\n",
		width / 2,
		width + 1,
		code);
}

char *ops_qr_svg(const char *public_url, const char *code)
{
	char url[OPS_PUBLIC_URL_SIZE + sizeof "/o/" + PLACE_CODE_SIZE];
	char *text = NULL;
	size_t size;
	size_t length = strlen(public_url);
	length -= public_url[length - 1] == '/' ? 1 : 0;
	snprintf(url, sizeof url, "%.*s/o/%s", (int)length, public_url, code);
	/* A quarter of it may be scratched off: it stands where people and weather pass. */
	QRcode *qr = QRcode_encodeString8bit(url, 0, QR_ECLEVEL_Q);
	FILE *svg = qr == NULL ? NULL : open_memstream(&text, &size);
	if (svg != NULL)
		draw(svg, qr, url, code);
	if (svg != NULL && fclose(svg) != 0) {
		free(text);
		text = NULL;
	}
	QRcode_free(qr);
	return text;
}
