/* src/model/image.h: what a box knows from its records alone.
 *
 * Pure room: libc, feecontrol, hal/core.
 *
 * The image is a function of the records: the heart keeps one up to date by applying each record that it writes, the
 * ledger stores it as snapshots in the same transaction, a boot starts from it, and verify computes it again from the
 * first record and compares. There is no other durable state. */
#ifndef MODEL_IMAGE_H
#define MODEL_IMAGE_H

#include "record.h"

enum session_phase {
	PHASE_NONE,
	PHASE_AUTHORIZED,
	PHASE_STARTED, /* the breaker may be closed */
	PHASE_PAUSED,
	PHASE_STOPPING, /* the breaker opens; the end record is owed */
	PHASE_ENDED, /* the end record is written; the customer has not left yet */
	SESSION_PHASE_COUNT
};

extern const struct words session_phase_words;

struct session_image {
	enum session_phase phase;
	struct grant grant;
	int64_t start_mwh; /* register; valid from the first start on */
	bool started_once;
	uint32_t rate; /* of the tariff, for what the register moves from now on */
	int64_t rate_from_ms; /* wall time since which what the register moves is all used while the rate applies, until it
				 changes; 0: not known, or a flat tariff */
	struct fee_energy used; /* by rate; its total is the outlet's session_mwh */
	int64_t energised_ms;
	enum end_reason reason; /* of the pause, the stopping or the end */
};

struct outlet_image {
	/* The meter's epoch, and whose its units are: billed + service + outside = register, always. */
	char serial[METER_SERIAL_SIZE]; /* empty before commissioning */
	int64_t register_mwh; /* the last in a record */
	int64_t billed_mwh;
	int64_t service_mwh;
	int64_t outside_mwh;
	int64_t session_mwh; /* of the open session: not billed yet, so the sum above lacks it until the end */
	struct session_image session;
	char reserved_for[ACCOUNT_SIZE]; /* empty: nobody */
	int64_t reserved_ms; /* how long the reservation holds, from reserved_at */
	struct moment reserved_at;
	enum outlet_fault fault;
	bool out_of_service;
	uint32_t seen_boot; /* of its session's last record, ... */
	int64_t seen_mono_ms; /* ... which tells how long ago that was if the clock has run on since */
	struct moment at; /* of its last record whose time was known: how long an outage was counts from here */
};

/* The pool of credit that the open sessions of one account share on this box. */
struct account_image {
	char account[ACCOUNT_SIZE]; /* empty: a free slot */
	int64_t granted_micros;
	int64_t spent_micros; /* by sessions that have ended while others were open */
};

struct box_image {
	uint64_t seq; /* of the last record applied */
	uint32_t boot;
	uint64_t command_seq; /* the highest that was decided */
	struct account_image accounts[OUTLETS_MAX];
	struct outlet_image outlets[OUTLETS_MAX];
};

/* The image before the first record. */
void image_init(struct box_image *image);

/* Applies the next record. NULL when it follows from the image; else a sentence that says why it cannot, and the image
 * is unchanged. An end's amount is taken as it says: a server must take in what a box charged, and may charge less. */
const char *image_apply(struct box_image *image, const struct record *record);

/* Whether the amount of an end record is what the tariff says, judged with the image before image_apply() takes it. NULL
 * when it is, or when the record is no end of an open session; else a sentence. The box that writes it must be right. */
const char *image_amount_fault(const struct box_image *image, const struct record *record);

/* The account's pool, or NULL when no session of it is open. */
const struct account_image *image_account(const struct box_image *image, const char *account);

/* Whether a session is open: authorized and without its end record. */
bool session_is_open(const struct session_image *session);

/* What the session's energy costs, in micros; 0 for a service session. Saturates at FEE_MONEY_MAX_MICROS. */
int64_t session_cost_micros(const struct grant *grant, const struct fee_energy *energy);

/* What a receipt says of the energy by rate: nothing with a flat tariff. */
struct fee_energy session_by_rate(const struct grant *grant, const struct fee_energy *used);

#endif
