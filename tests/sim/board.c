/* tests/sim/board.c: the simulated daemon: the heart's ports, the ledger thread, the bus, and how all of it dies. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "world_internal.h"

#define LEDGER_PATH "ledger.db"

/* --- ports --- */

static void port_breaker(void *ctx, unsigned outlet, bool close)
{
	struct world *w = ctx;
	world_boundary(w);
	if (w->dying)
		return;
	world_trace(w, "breaker %u %s", outlet, close ? "close" : "open");
	bool already_closed =
		w->box_config.outlets[outlet].breaker.kind == BREAKER_LATCHING && plant_contact(w->plant, outlet);
	checker_breaker(&w->checker, outlet, close, already_closed, w->now_ms);
	plant_drive_breaker(w->plant, outlet, close);
}

static void port_pulse(void *ctx, int outlet, int64_t pulse_ms)
{
	struct world *w = ctx;
	world_boundary(w);
	if (w->dying)
		return;
	world_trace(w, "lock %d pulsed for %lld ms", outlet, (long long)pulse_ms);
	checker_pulse(&w->checker, outlet);
	plant_pulse_lock(w->plant, outlet, pulse_ms);
}

static void plan_commit(struct world *w, int64_t in_ms)
{
	if (w->commit_planned)
		return;
	w->commit_planned = true;
	world_plan(w, HAPPENS_COMMIT, in_ms)->generation = w->generation;
}

static void port_append(void *ctx, const struct record *records, size_t count)
{
	struct world *w = ctx;
	if (w->dying)
		return;
	if (!ledger_queue_push(&w->queue, records, count))
		checker_violate(&w->checker, 3, "the queue is full: records are lost");
	plan_commit(w, w->disk_slow ? chance_between(&w->chance, 100, 5000) : chance_between(&w->chance, 1, 20));
}

static uint64_t port_random(void *ctx)
{
	return chance_bits(&((struct world *)ctx)->box_chance);
}

static void ledger_random(void *ctx, void *bytes, size_t count)
{
	chance_fill(&((struct world *)ctx)->box_chance, bytes, count);
}

static int ledger_rename(void *ctx, const char *from, const char *to)
{
	return cutvfs_rename(((struct world *)ctx)->disk, from, to);
}

/* --- the ledger --- */

static bool observe_record(void *ctx, uint64_t seq, const char *body, size_t length)
{
	struct world *w = ctx;
	struct record record;
	struct record_link link;
	struct wire_error error;
	if (!wire_read_record(body, length, &record, &link, &error)) {
		checker_violate(&w->checker, 10, "durable record %llu: %s", (unsigned long long)seq, error.text);
		return false;
	}
	world_fold(w, body, length);
	world_trace(w, "durable %s", body);
	/* A record that is seen only after the next boot was written in the one before. */
	bool earlier = record.boot < w->boot;
	int64_t written_ms = record.at.mono_ms + (earlier ? w->earlier_mono_base_ms : w->mono_base_ms);
	checker_record(&w->checker, &record, w->plant, written_ms);
	return w->checker.rule == 0;
}

/* Shows the checker every record that has become durable. */
static void observe(struct world *w)
{
	struct ledger_error error;
	uint64_t before = UINT64_MAX;
	while (w->checker.rule == 0 && w->checker.seq != before) {
		before = w->checker.seq;
		if (ledger_read(w->ledger, before + 1, LEDGER_BATCH_MAX, observe_record, w, &error) < 0)
			break; /* the power went: what is there is seen after the next boot */
	}
}

static void commit(struct world *w)
{
	struct ledger_error error;
	w->commit_planned = false;
	int result = ledger_commit(w->ledger, &w->queue, &error);
	if (cutvfs_is_cut(w->disk))
		return;
	if (result == -EBADMSG) {
		board_damaged(w, error.text);
		return;
	}
	if (result < 0) {
		world_trace(w, "commit: %s", error.text);
		if (result == -EPROTO)
			checker_violate(&w->checker, 10, "%s", error.text);
		plan_commit(w, 1000);
		box_on_storage(w->box, true, world_moment(w));
		board_after(w);
		return;
	}
	observe(w);
	world_boundary(w); /* between the commit and the heart's knowing */
	if (w->dying)
		return;
	box_on_storage(w->box, false, world_moment(w));
	if (!w->dying)
		box_on_durable(w->box, ledger_durable_seq(w->ledger), world_moment(w));
	board_after(w);
}

/* --- life and death --- */

void board_forget(struct world *w)
{
	ledger_close(w->ledger);
	w->ledger = NULL;
	w->alive = false;
	w->dying = false;
	w->commit_planned = false;
	w->generation++;
	w->post_id = 0;
	w->stream_id = 0;
}

void board_power_off(struct world *w, int64_t outage_ms)
{
	world_trace(w, "power off for %lld ms", (long long)outage_ms);
	if (!cutvfs_is_cut(w->disk))
		cutvfs_cut(w->disk, (enum cut_damage)chance_between(&w->chance, 0, CUT_DAMAGE_COUNT - 1));
	plant_set_board(w->plant, false);
	plant_set_mains(w->plant, false);
	board_forget(w);
	w->mains = false;
	w->power_was_off = true;
	w->result->power_cuts++;
	checker_cause(&w->checker, RECORD_NO_OUTLET, CAUSE_POWER);
	world_plan(w, HAPPENS_MAINS, outage_ms);
}

void board_crash(struct world *w)
{
	world_trace(w, "the daemon dies");
	/* Nothing that the process would do while dying reaches the disk. */
	cutvfs_fail_from(w->disk, 1);
	board_forget(w);
	cutvfs_fail_from(w->disk, 0);
	plant_set_board(w->plant, false);
	checker_cause(&w->checker, RECORD_NO_OUTLET, CAUSE_POWER);
	world_plan(w, HAPPENS_BOOT, chance_between(&w->chance, 500, 5000))->generation = w->generation;
}

static struct ledger_options ledger_options(struct world *w)
{
	return (struct ledger_options){
		.path = LEDGER_PATH, .vfs = w->disk_name, .random = ledger_random, .rename = ledger_rename, .ctx = w};
}

static int set_aside(struct world *w, const char *why)
{
	struct ledger_options options = ledger_options(w);
	struct ledger_error error;
	world_trace(w, "%s", why);
	if (!w->rot_struck)
		checker_violate(&w->checker, 3, "without rot, a damaged ledger: %s", why);
	if (ledger_set_aside(&options, &error) < 0)
		return -EIO;
	w->rotten++;
	checker_new_ledger(&w->checker);
	return 0;
}

/* The running daemon finds its ledger damaged: it puts it aside and begins anew. */
void board_damaged(struct world *w, const char *why)
{
	ledger_close(w->ledger);
	w->ledger = NULL;
	set_aside(w, why);
	board_crash(w);
}

/* 0 when the board decides again. */
static int open_ledger(struct world *w, struct box_image *image)
{
	struct ledger_options options = ledger_options(w);
	struct ledger_error error;
	int result = ledger_open(&options, &w->ledger, image, &error);
	if (result == -EBADMSG && !cutvfs_is_cut(w->disk)) {
		if (set_aside(w, error.text) < 0)
			return -EIO;
		result = ledger_open(&options, &w->ledger, image, &error);
	}
	if (result < 0)
		world_trace(w, "no ledger: %s", error.text);
	return result;
}

static void tell_all_inputs(struct world *w)
{
	struct moment now = world_moment(w);
	w->told_metering_door = plant_door(w->plant, PLANT_METERING_BOX);
	box_on_input(w->box, INPUT_METERING_DOOR, 0, w->told_metering_door, now);
	for (unsigned i = 0; i < w->box_config.outlet_count && !w->dying; i++) {
		w->told_contact[i] = plant_contact(w->plant, i);
		w->told_door[i] = plant_door(w->plant, (int)i);
		if (w->box_config.outlets[i].breaker.contact_fitted)
			box_on_input(w->box, INPUT_CONTACT, i, w->told_contact[i], now);
		if (w->box_config.outlets[i].door_fitted)
			box_on_input(w->box, INPUT_USER_DOOR, i, w->told_door[i], now);
	}
}

/* A power cut in the middle of a disk operation is seen when the call returns. */
static void mourn(struct world *w)
{
	if (cutvfs_is_cut(w->disk) && w->mains)
		w->dying = true;
	board_after(w);
}

void board_boot(struct world *w)
{
	struct box_image image;
	struct box_ports ports = {
		.ctx = w, .breaker = port_breaker, .pulse = port_pulse, .append = port_append, .random = port_random};
	plant_set_board(w->plant, true);
	if (w->power_was_off) {
		w->power_was_off = false;
		w->earlier_mono_base_ms = w->mono_base_ms;
		w->mono_base_ms = w->now_ms;
		w->quality = TIME_UNKNOWN;
	}
	if (open_ledger(w, &image) < 0) {
		if (!cutvfs_is_cut(w->disk))
			world_plan(w, HAPPENS_BOOT, 5000)->generation = w->generation;
		mourn(w);
		return;
	}
	if (image.seq < w->checker.seq)
		checker_violate(&w->checker,
				3,
				"record %llu was durable, now the last is %llu",
				(unsigned long long)w->checker.seq,
				(unsigned long long)image.seq);
	w->boot = image.boot + 1;
	observe(w);
	/* What is seen only now was written before the power or the process went. */
	if (w->checker.records > 0)
		checker_cause(&w->checker, RECORD_NO_OUTLET, CAUSE_POWER);
	/* A box that begins with its metering box open does not know who opened it. */
	if (!plant_door(w->plant, PLANT_METERING_BOX))
		checker_cause(&w->checker, RECORD_NO_OUTLET, CAUSE_TAMPER);
	ledger_queue_init(&w->queue);
	w->alive = true;
	w->bus_outlet = 0;
	world_trace(w, "boot %u", image.boot + 1);
	box_init(w->box,
		 &w->box_config,
		 &ports,
		 &image,
		 ledger_id(w->ledger),
		 ledger_accepted_seq(w->ledger),
		 world_moment(w));
	if (!w->dying)
		tell_all_inputs(w);
	if (!w->dying)
		world_plan(w, HAPPENS_BUS, 200)->generation = w->generation;
	mourn(w);
}

/* --- what happens --- */

static void board_reads(struct world *w)
{
	struct meter_reading reading;
	unsigned outlet = w->bus_outlet;
	bool answered = plant_read_meter(w->plant, outlet, &reading);
	w->bus_outlet = (outlet + 1) % w->box_config.outlet_count;
	int64_t time_ms = answered ? chance_between(&w->chance, 80, 120) : 300;
	world_plan(w, HAPPENS_BUS, time_ms)->generation = w->generation;
	if (!answered)
		return;
	reading.mono_ms = w->now_ms - w->mono_base_ms;
	reading.asked_ms = reading.mono_ms;
	box_on_reading(w->box, outlet, &reading, world_moment(w));
	/* The meter's clock is the board's first idea of the time; as in the daemon it comes after the first reading. */
	if (reading.clock_ms != 0 && w->alive && w->quality == TIME_UNKNOWN)
		w->quality = TIME_RELATIVE;
	board_after(w);
}

void board_happens(struct world *w, const struct happening *h)
{
	if (h->generation != 0 && h->generation != w->generation)
		return;
	if (h->type == HAPPENS_MAINS) {
		cutvfs_restore(w->disk);
		plant_set_mains(w->plant, true);
		w->mains = true;
		world_plan(w, HAPPENS_BOOT, chance_between(&w->chance, 1000, 5000))->generation = w->generation;
	} else if (h->type == HAPPENS_BOOT && w->mains) {
		board_boot(w);
	} else if (h->type == HAPPENS_BUS && w->alive) {
		board_reads(w);
	} else if (h->type == HAPPENS_COMMIT && w->alive) {
		commit(w);
	}
	mourn(w);
}

static void tell(struct world *w, enum box_input input, unsigned outlet, bool level, bool *told)
{
	if (level == *told || w->dying)
		return;
	*told = level;
	box_on_input(w->box, input, outlet, level, world_moment(w));
}

void board_inputs(struct world *w)
{
	if (!w->alive)
		return;
	tell(w, INPUT_METERING_DOOR, 0, plant_door(w->plant, PLANT_METERING_BOX), &w->told_metering_door);
	for (unsigned i = 0; i < w->box_config.outlet_count; i++) {
		if (w->box_config.outlets[i].breaker.contact_fitted)
			tell(w, INPUT_CONTACT, i, plant_contact(w->plant, i), &w->told_contact[i]);
		if (w->box_config.outlets[i].door_fitted)
			tell(w, INPUT_USER_DOOR, i, plant_door(w->plant, (int)i), &w->told_door[i]);
	}
	board_after(w);
}

void board_after(struct world *w)
{
	struct uplink_request request;
	while (w->alive && !w->dying && box_uplink_next(w->box, &request, world_moment(w)))
		link_request(w, &request);
	if (w->dying)
		board_power_off(w, w->options.scripted ? 8000 : chance_between(&w->chance, 2000, 1200000));
}

bool board_command(struct world *w, const struct command *command, const struct command_origin *origin)
{
	unsigned causes = 0;
	if (!w->alive)
		return true;
	world_trace(w,
		    "command %s %s outlet %d",
		    command->id,
		    word_name(&command_type_words, command->type),
		    command->outlet);
	w->result->commands++;
	if (command->type == COMMAND_START)
		checker_start(&w->checker, command->outlet, command->u.session.order);
	if (command->type == COMMAND_UNLOCK)
		checker_unlock(&w->checker, command->outlet, command->id);
	if (command_is_stop(command->type) || command->type == COMMAND_OUT_OF_SERVICE)
		causes = CAUSE_STOP;
	checker_cause(&w->checker, command->outlet, causes);
	bool taken = box_on_command(w->box, command, origin, world_moment(w));
	/* A stop that names the running session has opened the breaker before the call returns. */
	if (command_is_stop(command->type) && !w->dying) {
		const struct session_image *s = &box_image(w->box)->outlets[command->outlet].session;
		if (strcmp(s->grant.order, command->u.session.order) == 0 &&
		    plant_driven(w->plant, (unsigned)command->outlet))
			checker_violate(
				&w->checker, 2, "session %s was told to stop and still supplies", s->grant.order);
	}
	board_after(w);
	return taken;
}
