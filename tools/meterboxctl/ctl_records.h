/* tools/meterboxctl/ctl_records.h: where "meterboxctl ledger" has its records from: the running box, or a file.
 *
 * Room: meterboxctl; src/control, src/ledger, cJSON. */
#ifndef CTL_RECORDS_H
#define CTL_RECORDS_H

#include <stdint.h>

#include "chain.h"
#include "ctl_client.h"

struct ctl_records {
	struct ctl_client client; /* when file is NULL */
	struct ledger *file;
	char id[LEDGER_ID_SIZE];
	cJSON *last; /* of the running box: the answer behind its last record, with what the ledger has stored */
	char error[CTL_ERROR_SIZE]; /* printable */
};

/* Opens a file, or with path NULL speaks with the daemon. CTL_GOOD; else the error is filled and nothing is to be
 * closed. */
enum ctl_exit ctl_records_open(struct ctl_records *records, const struct ctl_options *options, const char *path);

/* Allowed after a failed open, too. */
void ctl_records_close(struct ctl_records *records);

/* Calls take for each record from `from` on, at most max, ascending; take returns false to end early. CTL_GOOD, or the
 * error is filled. */
typedef bool ctl_take_record(void *ctx, uint64_t seq, const char *body, size_t length);
enum ctl_exit ctl_records_read(struct ctl_records *records, uint64_t from, uint64_t max, ctl_take_record *take,
			       void *ctx);

#endif
