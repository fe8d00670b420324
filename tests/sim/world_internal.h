/* tests/sim/world_internal.h: the world's inside: what the files of the simulator share. */
#ifndef WORLD_INTERNAL_H
#define WORLD_INTERNAL_H

#include "world.h"

#define NEVER INT64_MAX
#define HAPPENINGS_MAX 4096

enum happening_type {
	HAPPENS_BUS, /* a meter's answer, or its time-out, is complete */
	HAPPENS_COMMIT, /* the ledger thread gets to the queue */
	HAPPENS_POST, /* a POST reaches the server */
	HAPPENS_ANSWER, /* its answer reaches the box */
	HAPPENS_STREAM_OPEN, /* a stream request reaches the server */
	HAPPENS_STREAM_LINE, /* a line of the stream reaches the box; without text a heartbeat */
	HAPPENS_HEARTBEAT, /* the server's turn to write one */
	HAPPENS_CUSTOMER,
	HAPPENS_TECHNICIAN,
	HAPPENS_OPERATOR,
	HAPPENS_MISFORTUNE, /* the next fault */
	HAPPENS_MEND, /* a fault that mends itself; number is its bit */
	HAPPENS_MAINS,
	HAPPENS_BOOT,
};

struct happening {
	int64_t at_ms;
	uint64_t order; /* of creation: ties are broken by it */
	enum happening_type type;
	int number;
	uint64_t generation; /* of the board's life it belongs to; 0: any */
	uint64_t id; /* of a POST or stream */
	uint64_t value;
	char *text; /* owned */
};

enum customer_phase {
	CUSTOMER_AWAY,
	CUSTOMER_ORDERED,
	CUSTOMER_PLUGGED, /* at the box, presses start until it supplies */
	CUSTOMER_SUPPLIED,
	CUSTOMER_COLLECTS, /* wants the plug back */
};

struct customer {
	enum customer_phase phase;
	char account[ACCOUNT_SIZE];
	char order[ORDER_SIZE];
	unsigned outlet;
	int64_t leaves_ms; /* when patience or need ends */
	uint64_t orders; /* made so far */
	bool door_held; /* this customer has the user door open */
	int64_t tops_up_ms;
	bool until_full; /* of the order's grant */
};

struct world {
	struct world_options options;
	struct world_result *result;
	struct chance chance; /* of the world */
	struct chance box_chance; /* what the box's own random port gives */
	int64_t now_ms;
	int64_t busy_until_ms;
	int standstill; /* steps since time last went on */
	struct happening *happenings[HAPPENINGS_MAX]; /* a heap by at_ms, order */
	size_t happening_count;
	uint64_t happening_order;

	struct plant *plant;
	struct plant_config plant_config;
	struct box_config box_config;
	struct cutvfs *disk;
	char disk_name[32];
	struct checker checker;
	struct ops *ops;

	/* the board */
	bool mains;
	bool alive;
	bool dying; /* the power went in the middle of a call: nothing counts any more */
	uint64_t generation;
	int64_t mono_base_ms;
	int64_t earlier_mono_base_ms; /* of the boot before */
	uint32_t boot;
	bool power_was_off; /* since the last boot: its clocks begin anew */
	enum time_quality quality;
	struct box *box;
	struct ledger *ledger;
	struct ledger_queue queue;
	bool commit_planned;
	unsigned bus_outlet;
	bool told_contact[OUTLETS_MAX];
	bool told_door[OUTLETS_MAX];
	bool told_metering_door;

	/* the link */
	bool link_up;
	uint64_t post_id; /* of the POST under way, 0 when none */
	uint64_t stream_id; /* of the box's present stream, 0 when none */
	uint64_t server_stream_id; /* of the stream that the server writes to */
	uint64_t broken_stream_id; /* of a stream that has lost something */
	uint64_t server_sent; /* the last command seq written to it */
	uint64_t ids;

	/* the people */
	struct customer customers[WORLD_CUSTOMERS];
	uint64_t recharges; /* so far: each payment has a key of its own */
	int64_t recharged_micros[WORLD_ACCOUNTS];
	bool technician_called[OUTLETS_MAX];
	uint64_t technician_visits;
	bool disk_slow;
	bool rot_struck; /* bits of the ledger's file have turned: from then on it may be found damaged */
	unsigned rotten; /* ledgers set aside */
};

/* --- world.c --- */

int64_t world_wall(const struct world *w);
struct moment world_moment(const struct world *w);
struct happening *world_plan(struct world *w, enum happening_type type, int64_t in_ms);
void world_trace(struct world *w, const char *format, ...) __attribute__((format(printf, 2, 3)));
void world_fold(struct world *w, const void *bytes, size_t count);

/* A pin change or a message: the power may be cut here. */
void world_boundary(struct world *w);
bool world_is_busy(const struct world *w);

/* --- board.c: the box's shell --- */

void board_boot(struct world *w);
void board_power_off(struct world *w, int64_t outage_ms);
void board_crash(struct world *w);
void board_damaged(struct world *w, const char *why);
void board_forget(struct world *w); /* drops the process without a trace */
void board_happens(struct world *w, const struct happening *h);
void board_inputs(struct world *w); /* tells the heart what its inputs show */
void board_after(struct world *w); /* after each call of the heart: what it wants of the link */
bool board_command(struct world *w, const struct command *command, const struct command_origin *origin); /* taken? */

/* --- link.c --- */

void link_request(struct world *w, const struct uplink_request *request);
void link_happens(struct world *w, const struct happening *h);
void link_push(struct world *w); /* the server has new commands */

/* --- people.c --- */

void people_begin(struct world *w);
void people_happen(struct world *w, const struct happening *h);
void people_call_technician(struct world *w, unsigned outlet);
bool people_are_done(const struct world *w);

/* --- misfortune.c --- */

void misfortune_begin(struct world *w);
void misfortune_happens(struct world *w, const struct happening *h);
void misfortune_ceases(struct world *w);

#endif
