/* tests/unit/test_plant.c: the simulated box's physics, tools/boxsim/plant. */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "plant.h"

#define CLOSE_MS 30
#define OPEN_MS 20
#define WALL_MS INT64_C(1700000000000)
#define UJ_PER_MWH INT64_C(3600000)
#define BOX PLANT_METERING_BOX

/* Outlet 0 is monostable with a door switch, outlet 1 latching without one. */
static struct plant_config two_outlets(void)
{
	struct plant_config config = {
		.outlet_count = 2,
		.metering_door_fitted = true,
		.lock_rating_ms = 300,
		.voltage_mv = 230000,
		.wall_ms = WALL_MS,
	};
	for (unsigned i = 0; i < 2; i++)
		config.outlets[i] = (struct plant_outlet_config){
			.meter = {.serial = "M", .step_mwh = 1},
			.breaker = {.close_ms = CLOSE_MS, .open_ms = OPEN_MS},
			.lock_rating_ms = 200,
		};
	config.outlets[0].user_door_fitted = true;
	config.outlets[1].breaker.kind = BREAKER_LATCHING;
	return config;
}

static struct plant *plant;

static void setup(void)
{
	struct plant_config config = two_outlets();
	plant = plant_new(&config);
	ck_assert_ptr_nonnull(plant);
}

static void teardown(void)
{
	plant_free(plant);
}

static void plug_plain(unsigned outlet, int64_t power_mw)
{
	plant_plug(plant, outlet, &(struct plant_load){.power_mw = power_mw, .inrush_permille = 1000});
}

/* Commands the breaker at the moment from_ms and waits until it has moved. */
static void close_breaker(unsigned outlet, int64_t from_ms)
{
	plant_advance(plant, from_ms);
	plant_drive_breaker(plant, outlet, true);
	plant_advance(plant, from_ms + CLOSE_MS);
	ck_assert(plant_contact(plant, outlet));
}

static struct meter_reading read_meter(unsigned outlet)
{
	struct meter_reading reading;
	ck_assert(plant_read_meter(plant, outlet, &reading));
	return reading;
}

/* --- making --- */

START_TEST(begins_at_rest)
{
	ck_assert(plant_mains(plant));
	ck_assert_int_eq(plant_next_change(plant), PLANT_NEVER);
	for (unsigned i = 0; i < 2; i++) {
		ck_assert(!plant_contact(plant, i) && !plant_driven(plant, i) && !plant_energised(plant, i));
		ck_assert_int_eq(plant_true_uj(plant, i), 0);
		ck_assert_int_eq(plant_power_mw(plant, i), 0);
	}
	for (int i = BOX; i < 2; i++) {
		ck_assert(plant_door(plant, i) && !plant_unlocked(plant, i));
		ck_assert_int_eq(plant_longest_coil_ms(plant, i), 0);
	}
	plant_advance(plant, PLANT_NEVER);
	ck_assert(!plant_contact(plant, 0) && !plant_energised(plant, 0));
	plant_free(NULL);
}
END_TEST

static void refused(const struct plant_config *config, bool expected)
{
	struct plant *other = plant_new(config);
	ck_assert_int_eq(!other, expected);
	plant_free(other);
}

#define REFUSED(field, value)                                                                                          \
	do {                                                                                                           \
		struct plant_config config = two_outlets();                                                            \
		config.field = (value);                                                                                \
		refused(&config, true);                                                                                \
	} while (0)

START_TEST(refuses_what_is_outside_the_limits)
{
	struct plant_config good = two_outlets();
	refused(&good, false);
	REFUSED(outlet_count, 0);
	REFUSED(outlet_count, PLANT_OUTLETS_MAX + 1);
	REFUSED(outlet_count, 3); /* the third one's meter has no step */
	REFUSED(voltage_mv, 0);
	REFUSED(voltage_mv, PLANT_VOLTAGE_MAX_MV + 1);
	REFUSED(lock_rating_ms, -1);
	REFUSED(outlets[1].lock_rating_ms, -1);
	REFUSED(outlets[1].breaker.close_ms, -1);
	REFUSED(outlets[1].breaker.open_ms, -1);
	REFUSED(outlets[1].breaker.kind, (enum breaker_kind)2);
	REFUSED(outlets[1].meter.step_mwh, 0);
	REFUSED(outlets[1].meter.initial_mwh, -1);
	REFUSED(outlets[1].meter.initial_mwh, INT64_MAX / UJ_PER_MWH + 1);
	REFUSED(outlets[1].meter.standby_ma, -1);
	memset(good.outlets[0].meter.serial, 'x', METER_SERIAL_SIZE);
	refused(&good, true);
}
END_TEST

/* --- breakers --- */

START_TEST(monostable_follows_its_coil)
{
	plant_advance(plant, 100);
	plant_drive_breaker(plant, 0, true);
	ck_assert(plant_driven(plant, 0) && !plant_contact(plant, 0));
	ck_assert_int_eq(plant_next_change(plant), 100 + CLOSE_MS);
	plant_advance(plant, 110);
	plant_drive_breaker(plant, 0, true); /* does not start again */
	plant_advance(plant, 100 + CLOSE_MS - 1);
	ck_assert(!plant_contact(plant, 0) && !plant_energised(plant, 0));
	plant_advance(plant, 100 + CLOSE_MS);
	ck_assert(plant_contact(plant, 0) && plant_energised(plant, 0));
	ck_assert_int_eq(plant_next_change(plant), PLANT_NEVER);

	plant_advance(plant, 200);
	plant_drive_breaker(plant, 0, false);
	ck_assert(!plant_driven(plant, 0));
	plant_advance(plant, 50); /* backwards: ignored */
	ck_assert_int_eq(plant_next_change(plant), 200 + OPEN_MS);
	plant_advance(plant, 200 + OPEN_MS - 1);
	ck_assert(plant_contact(plant, 0));
	plant_advance(plant, 200 + OPEN_MS);
	ck_assert(!plant_contact(plant, 0) && !plant_energised(plant, 0));
}
END_TEST

START_TEST(opposite_command_calls_a_movement_off)
{
	for (unsigned i = 0; i < 2; i++) {
		plant_drive_breaker(plant, i, true);
		plant_drive_breaker(plant, i, false);
	}
	ck_assert_int_eq(plant_next_change(plant), PLANT_NEVER);
	close_breaker(0, 0);
	close_breaker(1, CLOSE_MS);
	for (unsigned i = 0; i < 2; i++) {
		plant_drive_breaker(plant, i, false);
		plant_drive_breaker(plant, i, true);
	}
	ck_assert_int_eq(plant_next_change(plant), PLANT_NEVER);
	ck_assert(plant_contact(plant, 0) && plant_contact(plant, 1));
}
END_TEST

START_TEST(contact_without_delay_moves_at_once)
{
	struct plant_config config = two_outlets();
	config.outlets[0].breaker = (struct plant_breaker_config){.kind = BREAKER_MONOSTABLE};
	plant_free(plant);
	plant = plant_new(&config);
	plant_drive_breaker(plant, 0, true);
	ck_assert(plant_contact(plant, 0) && plant_energised(plant, 0));
	plant_drive_breaker(plant, 0, false);
	ck_assert(!plant_contact(plant, 0) && !plant_energised(plant, 0));
	ck_assert_int_eq(plant_next_change(plant), PLANT_NEVER);
}
END_TEST

START_TEST(board_death_releases_monostable_only)
{
	close_breaker(0, 0);
	close_breaker(1, 100);
	plant_advance(plant, 200);
	plant_set_board(plant, false);
	ck_assert(!plant_driven(plant, 0) && plant_driven(plant, 1));
	ck_assert_int_eq(plant_next_change(plant), 200 + OPEN_MS);
	plant_drive_breaker(plant, 0, true);
	plant_drive_breaker(plant, 1, false);
	ck_assert(!plant_driven(plant, 0) && plant_driven(plant, 1));
	plant_advance(plant, 300);
	ck_assert(!plant_contact(plant, 0) && plant_contact(plant, 1));
	plant_set_board(plant, true);
	ck_assert_int_eq(plant_next_change(plant), PLANT_NEVER);
	ck_assert(!plant_driven(plant, 0));
	close_breaker(0, 300);
}
END_TEST

START_TEST(latching_impulse_outlives_the_board)
{
	plant_drive_breaker(plant, 1, true);
	plant_set_board(plant, false);
	plant_advance(plant, CLOSE_MS);
	ck_assert(plant_contact(plant, 1));
}
END_TEST

START_TEST(mains_loss_opens_and_return_closes_what_is_driven)
{
	close_breaker(0, 0);
	close_breaker(1, 100);
	plant_advance(plant, 200);
	plant_set_mains(plant, false);
	ck_assert(!plant_mains(plant));
	ck_assert(!plant_energised(plant, 0) && !plant_energised(plant, 1)); /* at once */
	ck_assert(plant_contact(plant, 0) && plant_contact(plant, 1));
	plant_advance(plant, 200 + OPEN_MS);
	ck_assert(!plant_contact(plant, 0) && !plant_contact(plant, 1));
	ck_assert(plant_driven(plant, 0) && plant_driven(plant, 1));
	plant_drive_breaker(plant, 1, true); /* lost: held open by the under-voltage release */
	plant_advance(plant, 300);
	plant_set_mains(plant, true);
	ck_assert_int_eq(plant_next_change(plant), 300 + CLOSE_MS);
	plant_advance(plant, 400);
	ck_assert(plant_contact(plant, 0) && plant_energised(plant, 0));
	ck_assert(!plant_contact(plant, 1) && !plant_energised(plant, 1));
	close_breaker(1, 400);
}
END_TEST

START_TEST(mains_return_with_dead_board_closes_nothing)
{
	close_breaker(0, 0);
	plant_set_mains(plant, false);
	plant_set_board(plant, false);
	plant_advance(plant, 100);
	plant_set_mains(plant, true);
	plant_set_board(plant, true);
	plant_advance(plant, 1000);
	ck_assert(!plant_contact(plant, 0) && !plant_driven(plant, 0));
}
END_TEST

START_TEST(short_mains_dip)
{
	close_breaker(0, 0);
	close_breaker(1, 100);
	plant_advance(plant, 200);
	plant_set_mains(plant, false);
	plant_advance(plant, 200 + OPEN_MS - 1);
	plant_set_mains(plant, true);
	plant_advance(plant, 300);
	ck_assert(plant_contact(plant, 0)); /* had not yet dropped out */
	ck_assert(!plant_contact(plant, 1)); /* the release has been triggered */
}
END_TEST

START_TEST(trip_holds_until_reset)
{
	close_breaker(0, 0);
	close_breaker(1, 100);
	plant_advance(plant, 200);
	plant_trip(plant, 0);
	plant_trip(plant, 1);
	plant_advance(plant, 200 + OPEN_MS - 1);
	ck_assert(plant_contact(plant, 0) && plant_contact(plant, 1));
	plant_advance(plant, 200 + OPEN_MS);
	ck_assert(!plant_contact(plant, 0) && !plant_contact(plant, 1));
	plant_drive_breaker(plant, 0, true);
	plant_drive_breaker(plant, 1, true);
	plant_advance(plant, 300);
	ck_assert(!plant_contact(plant, 0) && !plant_contact(plant, 1));
	ck_assert(plant_driven(plant, 0) && plant_driven(plant, 1));

	plant_reset_trip(plant, 0);
	plant_reset_trip(plant, 1);
	ck_assert_int_eq(plant_next_change(plant), 300 + CLOSE_MS);
	plant_advance(plant, 400);
	ck_assert(plant_contact(plant, 0)); /* its coil is still driven */
	ck_assert(!plant_contact(plant, 1)); /* waits for an impulse */
	close_breaker(1, 400);
}
END_TEST

START_TEST(reset_alone_does_not_close_a_latching_breaker)
{
	close_breaker(1, 0);
	plant_trip(plant, 1);
	plant_advance(plant, 100);
	plant_reset_trip(plant, 1);
	ck_assert_int_eq(plant_next_change(plant), PLANT_NEVER);
	ck_assert(plant_driven(plant, 1) && !plant_contact(plant, 1));
}
END_TEST

/* Every way to open a breaker. */
enum opener {
	BY_COMMAND,
	BY_TRIP,
	BY_MAINS,
	OPENERS
};

static void open_by(unsigned outlet, enum opener opener)
{
	if (opener == BY_COMMAND)
		plant_drive_breaker(plant, outlet, false);
	else if (opener == BY_TRIP)
		plant_trip(plant, outlet);
	else
		plant_set_mains(plant, false);
}

START_TEST(welded_contact_stays_closed)
{
	unsigned outlet = (unsigned)_i % 2;
	enum opener opener = (enum opener)(_i / 2);
	plant_set_fault(plant, outlet, PLANT_WELDED, true); /* while open: no hindrance yet */
	plug_plain(outlet, 1000);
	close_breaker(outlet, 0);
	open_by(outlet, opener);
	ck_assert_int_eq(plant_next_change(plant), PLANT_NEVER);
	plant_advance(plant, 1000);
	ck_assert(plant_contact(plant, outlet));
	ck_assert_int_eq(plant_energised(plant, outlet), opener != BY_MAINS);
	ck_assert_int_eq(plant_driven(plant, outlet), opener != BY_COMMAND);
	plant_set_fault(plant, outlet, PLANT_WELDED, false);
	ck_assert_int_eq(plant_next_change(plant), 1000 + OPEN_MS);
	plant_advance(plant, 1000 + OPEN_MS);
	ck_assert(!plant_contact(plant, outlet) && !plant_energised(plant, outlet));
	ck_assert_int_eq(plant_true_uj(plant, outlet), opener == BY_MAINS ? 0 : 1000 * (1000 + OPEN_MS - CLOSE_MS));
}
END_TEST

START_TEST(welding_stops_an_opening_under_way)
{
	close_breaker(0, 0);
	plant_drive_breaker(plant, 0, false);
	plant_advance(plant, CLOSE_MS + OPEN_MS - 1);
	plant_set_fault(plant, 0, PLANT_WELDED, true);
	plant_advance(plant, 1000);
	ck_assert(plant_contact(plant, 0));
	plant_drive_breaker(plant, 0, true);
	plant_set_fault(plant, 0, PLANT_WELDED, false);
	ck_assert_int_eq(plant_next_change(plant), PLANT_NEVER); /* its coil holds it now */
}
END_TEST

START_TEST(stuck_open_contact_does_not_close)
{
	unsigned outlet = (unsigned)_i;
	plant_drive_breaker(plant, outlet, true);
	plant_advance(plant, CLOSE_MS - 1);
	plant_set_fault(plant, outlet, PLANT_STUCK_OPEN, true);
	plant_advance(plant, 500);
	ck_assert(plant_driven(plant, outlet) && !plant_contact(plant, outlet));
	plant_set_fault(plant, outlet, PLANT_STUCK_OPEN, false);
	ck_assert_int_eq(plant_next_change(plant), 500 + CLOSE_MS);
	plant_advance(plant, 600);
	ck_assert(plant_contact(plant, outlet));
	plant_set_fault(plant, outlet, PLANT_STUCK_OPEN, true);
	plant_drive_breaker(plant, outlet, false);
	plant_advance(plant, 700);
	ck_assert(!plant_contact(plant, outlet)); /* opening is free */
}
END_TEST

START_TEST(bypass_feeds_whatever_the_contact_does)
{
	plug_plain(0, 5000);
	plant_set_fault(plant, 0, PLANT_BYPASSED, true);
	ck_assert(plant_energised(plant, 0) && !plant_contact(plant, 0));
	ck_assert_int_eq(plant_power_mw(plant, 0), 5000);
	plant_advance(plant, 1000);
	plant_set_mains(plant, false);
	ck_assert(!plant_energised(plant, 0));
	ck_assert_int_eq(plant_power_mw(plant, 0), 0);
	plant_advance(plant, 2000);
	plant_set_mains(plant, true);
	plant_advance(plant, 3000);
	ck_assert_int_eq(plant_true_uj(plant, 0), 2000 * 5000);
	plant_set_fault(plant, 0, PLANT_BYPASSED, false);
	ck_assert(!plant_energised(plant, 0));
	plant_advance(plant, 4000);
	ck_assert_int_eq(plant_true_uj(plant, 0), 2000 * 5000);
}
END_TEST

/* --- loads --- */

static const struct plant_load heater = {
	.power_mw = 1000001,
	.inrush_permille = 2500,
	.inrush_ms = 300,
	.on_ms = 700,
	.off_ms = 400,
};

/* The energy of a load that has been energised for age_ms, millisecond by millisecond. */
static int64_t slow_uj(const struct plant_load *load, int64_t age_ms)
{
	int64_t uj = 0;
	for (int64_t t = 0; t < age_ms; t++) {
		bool on = !load->off_ms || t % (load->on_ms + load->off_ms) < load->on_ms;
		int64_t inrush_mw = load->power_mw * load->inrush_permille / 1000;
		if (on)
			uj += t < load->inrush_ms ? inrush_mw : load->power_mw;
	}
	return uj;
}

START_TEST(inrush_and_duty_are_counted_to_the_microjoule)
{
	plant_plug(plant, 0, &heater);
	ck_assert_int_eq(plant_next_change(plant), PLANT_NEVER);
	close_breaker(0, 0);
	static const int64_t changes[] = {300, 700, 1100, 1800, 2200};
	static const int64_t powers_mw[] = {2500002, 1000001, 0, 1000001, 0};
	for (size_t i = 0; i < 5; i++) {
		ck_assert_int_eq(plant_power_mw(plant, 0), powers_mw[i]);
		ck_assert_int_eq(plant_next_change(plant), CLOSE_MS + changes[i]);
		plant_advance(plant, CLOSE_MS + changes[i]);
		ck_assert_int_eq(plant_true_uj(plant, 0), slow_uj(&heater, changes[i]));
	}
	plant_advance(plant, CLOSE_MS + 98765);
	ck_assert_int_eq(plant_true_uj(plant, 0), slow_uj(&heater, 98765));
	ck_assert_int_eq(plant_true_uj(plant, 1), 0);
}
END_TEST

START_TEST(each_energising_begins_anew)
{
	plant_plug(plant, 0, &heater);
	close_breaker(0, 0);
	plant_advance(plant, 1000);
	plant_set_fault(plant, 0, PLANT_BYPASSED, true); /* no interruption, no new inrush */
	plant_drive_breaker(plant, 0, false);
	plant_advance(plant, 1500);
	ck_assert_int_eq(plant_true_uj(plant, 0), slow_uj(&heater, 1470));
	plant_set_mains(plant, false);
	plant_advance(plant, 1600);
	plant_set_mains(plant, true);
	ck_assert_int_eq(plant_power_mw(plant, 0), 2500002);
	plant_advance(plant, 2000);
	ck_assert_int_eq(plant_true_uj(plant, 0), slow_uj(&heater, 1470) + slow_uj(&heater, 400));
	plant_plug(plant, 0, &heater);
	ck_assert_int_eq(plant_power_mw(plant, 0), 2500002);
	plant_advance(plant, 2100);
	ck_assert_int_eq(plant_true_uj(plant, 0),
			 slow_uj(&heater, 1470) + slow_uj(&heater, 400) + slow_uj(&heater, 100));
	plug_plain(0, 0);
	ck_assert_int_eq(plant_power_mw(plant, 0), 0);
	ck_assert(plant_energised(plant, 0));
	ck_assert_int_eq(plant_next_change(plant), PLANT_NEVER);
}
END_TEST

START_TEST(odd_loads)
{
	close_breaker(0, 0);
	plant_plug(plant, 0, &(struct plant_load){.power_mw = 7, .inrush_permille = 1000, .inrush_ms = 50});
	ck_assert_int_eq(plant_next_change(plant), PLANT_NEVER); /* an inrush that is none */
	plant_plug(plant, 0, &(struct plant_load){.power_mw = 7, .inrush_permille = 1000, .off_ms = 1});
	ck_assert_int_eq(plant_power_mw(plant, 0), 0); /* never on */
	ck_assert_int_eq(plant_next_change(plant), PLANT_NEVER);
	plant_plug(plant, 0, &(struct plant_load){.power_mw = -7, .inrush_permille = -1, .inrush_ms = -1});
	ck_assert_int_eq(plant_power_mw(plant, 0), 0);
	ck_assert_int_eq(plant_next_change(plant), PLANT_NEVER);
	plant_plug(plant, 0, &(struct plant_load){.power_mw = 10, .inrush_ms = 5}); /* a soft start from 0 */
	ck_assert_int_eq(plant_power_mw(plant, 0), 0);
	plant_advance(plant, CLOSE_MS + 5);
	ck_assert_int_eq(plant_power_mw(plant, 0), 10);
	plant_plug(plant, 0, &(struct plant_load){INT64_MAX, INT64_MAX, INT64_MAX, INT64_MAX, INT64_MAX});
	ck_assert_int_eq(plant_power_mw(plant, 0), PLANT_POWER_MAX_MW / 1000 * PLANT_INRUSH_MAX_PERMILLE);
	plant_advance(plant, PLANT_NEVER);
	ck_assert_int_eq(plant_true_uj(plant, 0), INT64_MAX);
	ck_assert_int_ge(read_meter(0).register_mwh, 0);
	plant_pulse_lock(plant, 0, INT64_MAX);
	plant_tick_bounce(plant, 0, INT64_MAX);
}
END_TEST

/* --- meters --- */

START_TEST(register_shows_whole_steps)
{
	struct plant_config config = two_outlets();
	config.outlets[0].meter = (struct plant_meter_config){
		.serial = "000012345678",
		.step_mwh = 10,
		.initial_mwh = 1234567,
		.has_clock = true,
		.clock_offset_ms = -90000,
		.standby_ma = 3,
	};
	plant_free(plant);
	plant = plant_new(&config);
	plug_plain(0, 3600000); /* 1 mWh a millisecond */
	close_breaker(0, 0);
	ck_assert_int_eq(read_meter(0).register_mwh, 1234560);
	plant_advance(plant, CLOSE_MS + 2);
	ck_assert_int_eq(read_meter(0).register_mwh, 1234560);
	ck_assert_int_eq(plant_true_uj(plant, 0), 1234569 * UJ_PER_MWH);
	plant_advance(plant, CLOSE_MS + 3);
	struct meter_reading reading = read_meter(0);
	ck_assert_int_eq(reading.register_mwh, 1234570);
	ck_assert_int_eq(reading.mono_ms, CLOSE_MS + 3);
	ck_assert_int_eq(reading.clock_ms, WALL_MS + CLOSE_MS + 3 - 90000);
	ck_assert_int_eq(reading.power_mw, 3600000);
	ck_assert_int_eq(reading.current_ma, 15652 + 3); /* 15652.17 mA */
	ck_assert_str_eq(reading.serial, "000012345678");
	ck_assert_int_eq(read_meter(1).clock_ms, 0);
	ck_assert_int_eq(read_meter(1).current_ma, 0);
}
END_TEST

START_TEST(current_is_rounded_to_nearest)
{
	close_breaker(0, 0);
	plug_plain(0, 114);
	ck_assert_int_eq(read_meter(0).current_ma, 0);
	plug_plain(0, 115);
	ck_assert_int_eq(read_meter(0).current_ma, 1);
}
END_TEST

START_TEST(silent_meter_counts_on)
{
	plug_plain(0, 3600000);
	close_breaker(0, 0);
	plant_set_fault(plant, 0, PLANT_METER_SILENT, true);
	plant_advance(plant, CLOSE_MS + 100);
	struct meter_reading reading = {.mono_ms = 42};
	ck_assert(!plant_read_meter(plant, 0, &reading));
	ck_assert_int_eq(reading.mono_ms, 42);
	plant_set_fault(plant, 0, PLANT_METER_SILENT, false);
	ck_assert_int_eq(read_meter(0).register_mwh, 100);
}
END_TEST

START_TEST(zero_meter_counts_on)
{
	plug_plain(0, 3600000);
	close_breaker(0, 0);
	plant_advance(plant, CLOSE_MS + 100);
	plant_set_fault(plant, 0, PLANT_METER_ZERO | PLANT_METER_STUCK, true);
	ck_assert_int_eq(read_meter(0).register_mwh, 0);
	ck_assert_int_eq(read_meter(0).power_mw, 3600000);
	plant_advance(plant, CLOSE_MS + 200);
	plant_set_fault(plant, 0, PLANT_METER_ZERO, false);
	ck_assert_int_eq(read_meter(0).register_mwh, 100); /* still stuck */
	plant_set_fault(plant, 0, PLANT_METER_STUCK, false);
	ck_assert_int_eq(read_meter(0).register_mwh, 200);
}
END_TEST

START_TEST(stuck_meter_shows_the_past)
{
	plug_plain(0, 3600000);
	close_breaker(0, 0);
	plant_advance(plant, CLOSE_MS + 100);
	plant_set_fault(plant, 0, PLANT_METER_STUCK, true);
	plant_advance(plant, CLOSE_MS + 150);
	plant_set_fault(plant, 0, PLANT_METER_STUCK, true); /* already: nothing new */
	plug_plain(0, 7200000);
	plant_advance(plant, CLOSE_MS + 200);
	struct meter_reading reading = read_meter(0);
	ck_assert_int_eq(reading.register_mwh, 100);
	ck_assert_int_eq(reading.power_mw, 3600000);
	ck_assert_int_eq(reading.current_ma, 15652);
	ck_assert_int_eq(reading.mono_ms, CLOSE_MS + 200);
	ck_assert_int_eq(plant_power_mw(plant, 0), 7200000);
	plant_set_fault(plant, 0, PLANT_METER_STUCK, false);
	ck_assert_int_eq(read_meter(0).register_mwh, 250);
}
END_TEST

START_TEST(meter_without_mains_is_dead)
{
	plug_plain(0, 3600000);
	close_breaker(0, 0);
	plant_advance(plant, CLOSE_MS + 5);
	plant_set_mains(plant, false);
	struct meter_reading reading;
	ck_assert(!plant_read_meter(plant, 0, &reading) && !plant_read_meter(plant, 1, &reading));
	plant_advance(plant, 1000);
	plant_set_mains(plant, true);
	ck_assert_int_eq(read_meter(0).register_mwh, 5);
}
END_TEST

START_TEST(replaced_meter_begins_its_own_register)
{
	plug_plain(0, 3600000);
	close_breaker(0, 0);
	plant_advance(plant, CLOSE_MS + 100);
	plant_set_fault(plant, 0, PLANT_METER_SILENT | PLANT_METER_STUCK | PLANT_METER_ZERO | PLANT_WELDED, true);
	struct plant_meter_config other = {.serial = "other", .step_mwh = 2, .initial_mwh = 50};
	plant_replace_meter(plant, 0, &other);
	ck_assert_int_eq(plant_true_uj(plant, 0), 50 * UJ_PER_MWH);
	ck_assert_int_eq(plant_power_mw(plant, 0), 3600000); /* the supply goes on */
	plant_advance(plant, CLOSE_MS + 101);
	ck_assert_int_eq(read_meter(0).register_mwh, 50);
	ck_assert_str_eq(read_meter(0).serial, "other");
	ck_assert_int_eq(plant_true_uj(plant, 0), 51 * UJ_PER_MWH);
	plant_replace_meter(plant, 0, &(struct plant_meter_config){.serial = "bad"});
	ck_assert_str_eq(read_meter(0).serial, "other");
	plant_drive_breaker(plant, 0, false);
	plant_advance(plant, 1000);
	ck_assert(plant_contact(plant, 0)); /* the breaker's fault is not the meter's */
}
END_TEST

/* --- doors and locks --- */

START_TEST(locked_door_opens_by_force_only)
{
	ck_assert(!plant_open_door(plant, 0, false));
	ck_assert(plant_door(plant, 0));
	ck_assert(plant_open_door(plant, 0, true));
	ck_assert(!plant_door(plant, 0) && !plant_unlocked(plant, 0));
	ck_assert(plant_open_door(plant, 0, false)); /* stands open */
	plant_close_door(plant, 0);
	ck_assert(plant_door(plant, 0));
	ck_assert(!plant_open_door(plant, 0, false));
	ck_assert(plant_door(plant, BOX) && plant_door(plant, 1)); /* the others are others */
}
END_TEST

START_TEST(unused_pulse_locks_again)
{
	plant_advance(plant, 1000);
	plant_pulse_lock(plant, _i, 100);
	ck_assert(plant_unlocked(plant, _i));
	ck_assert_int_eq(plant_next_change(plant), 1100);
	plant_advance(plant, 1100);
	ck_assert_int_eq(plant_next_change(plant), 11000);
	plant_advance(plant, 5000);
	plant_close_door(plant, _i); /* was closed */
	plant_advance(plant, 10999);
	ck_assert(plant_unlocked(plant, _i));
	plant_advance(plant, 11000);
	ck_assert(!plant_unlocked(plant, _i));
	ck_assert(!plant_open_door(plant, _i, false));
	ck_assert_int_eq(plant_next_change(plant), PLANT_NEVER);
}
END_TEST

START_TEST(unlocked_until_opened_and_closed)
{
	plant_pulse_lock(plant, BOX, 100);
	plant_advance(plant, 9999);
	ck_assert(plant_open_door(plant, BOX, false));
	ck_assert(!plant_door(plant, BOX));
	ck_assert_int_eq(plant_next_change(plant), PLANT_NEVER);
	plant_advance(plant, 100000);
	ck_assert(plant_unlocked(plant, BOX));
	plant_close_door(plant, BOX);
	ck_assert(!plant_unlocked(plant, BOX));
	ck_assert(!plant_open_door(plant, BOX, false));
}
END_TEST

START_TEST(pulse_with_open_door)
{
	ck_assert(plant_open_door(plant, 0, true));
	plant_pulse_lock(plant, 0, 100);
	plant_advance(plant, 20000);
	ck_assert(plant_unlocked(plant, 0));
	plant_close_door(plant, 0);
	ck_assert(!plant_unlocked(plant, 0));
}
END_TEST

START_TEST(door_without_switch)
{
	plant_pulse_lock(plant, 1, 100);
	ck_assert(plant_open_door(plant, 1, false));
	ck_assert(plant_door(plant, 1)); /* nobody sees it */
	plant_advance(plant, 1000);
	plant_tick_bounce(plant, 1, 100);
	ck_assert(plant_door(plant, 1));
	ck_assert_int_eq(plant_next_change(plant), 10000);
	plant_advance(plant, 5000);
	plant_close_door(plant, 1);
	ck_assert(plant_unlocked(plant, 1));
	plant_advance(plant, 10000);
	ck_assert(!plant_unlocked(plant, 1));
	ck_assert(plant_open_door(plant, 1, true));
	plant_pulse_lock(plant, 1, 100);
	plant_advance(plant, 20000);
	ck_assert(!plant_unlocked(plant, 1));
}
END_TEST

START_TEST(coil_time_is_kept)
{
	plant_pulse_lock(plant, BOX, 100);
	plant_advance(plant, 60);
	ck_assert_int_eq(plant_longest_coil_ms(plant, BOX), 60);
	plant_pulse_lock(plant, BOX, 10); /* within: nothing shorter */
	plant_advance(plant, 100);
	plant_pulse_lock(plant, BOX, 50); /* no break between */
	plant_advance(plant, 500);
	ck_assert_int_eq(plant_longest_coil_ms(plant, BOX), 150);
	plant_pulse_lock(plant, BOX, 120);
	plant_advance(plant, 1000);
	ck_assert_int_eq(plant_longest_coil_ms(plant, BOX), 150);
	plant_pulse_lock(plant, BOX, 0);
	plant_pulse_lock(plant, BOX, -5);
	ck_assert_int_eq(plant_longest_coil_ms(plant, BOX), 150);
	ck_assert_int_eq(plant_longest_coil_ms(plant, 0), 0);
}
END_TEST

START_TEST(coil_burns_beyond_its_rating)
{
	plant_pulse_lock(plant, 0, 200); /* just within */
	plant_advance(plant, 20000);
	plant_pulse_lock(plant, 0, 201);
	ck_assert(plant_unlocked(plant, 0));
	plant_advance(plant, 40000);
	plant_pulse_lock(plant, 0, 500);
	ck_assert(!plant_unlocked(plant, 0));
	plant_advance(plant, 41000);
	ck_assert_int_eq(plant_longest_coil_ms(plant, 0), 500);
	ck_assert(plant_open_door(plant, 0, true));
}
END_TEST

START_TEST(dead_board_gives_no_pulse_but_one_under_way_ends)
{
	plant_pulse_lock(plant, 0, 100);
	plant_advance(plant, 50);
	plant_set_board(plant, false);
	plant_pulse_lock(plant, 0, 500);
	plant_pulse_lock(plant, BOX, 100);
	ck_assert(plant_unlocked(plant, 0) && !plant_unlocked(plant, BOX));
	ck_assert_int_eq(plant_next_change(plant), 100);
	plant_advance(plant, 1000);
	ck_assert_int_eq(plant_longest_coil_ms(plant, 0), 100);
	ck_assert_int_eq(plant_longest_coil_ms(plant, BOX), 0);
}
END_TEST

START_TEST(bouncing_switch)
{
	plant_advance(plant, 1003);
	ck_assert(plant_open_door(plant, 0, true));
	plant_tick_bounce(plant, 0, 17);
	static const int64_t changes[] = {1008, 1013, 1018, 1020};
	bool closed = true; /* the wrong one first */
	for (size_t i = 0; i < 4; i++) {
		ck_assert_int_eq(plant_door(plant, 0), closed);
		ck_assert_int_eq(plant_next_change(plant), changes[i]);
		plant_advance(plant, changes[i] - 1);
		ck_assert_int_eq(plant_door(plant, 0), closed);
		plant_advance(plant, changes[i]);
		closed = !closed;
	}
	ck_assert(!plant_door(plant, 0));
	ck_assert_int_eq(plant_next_change(plant), PLANT_NEVER);
	plant_tick_bounce(plant, 0, 100);
	ck_assert(plant_door(plant, 0));
	plant_tick_bounce(plant, 0, 0);
	ck_assert(!plant_door(plant, 0));
	ck_assert_int_eq(plant_next_change(plant), PLANT_NEVER);
}
END_TEST

/* --- the same world, whatever the steps --- */

static uint64_t seed;

static uint64_t next_random(uint64_t below)
{
	seed ^= seed << 13;
	seed ^= seed >> 7;
	seed ^= seed << 17;
	return seed % below;
}

/* One assertion for all: each one of Check's writes to a pipe, which would take most of the test's time. */
static bool same_gate(const struct plant *a, const struct plant *b, int outlet)
{
	return plant_door(a, outlet) == plant_door(b, outlet) &&
	       plant_unlocked(a, outlet) == plant_unlocked(b, outlet) &&
	       plant_longest_coil_ms(a, outlet) == plant_longest_coil_ms(b, outlet);
}

static bool same_meter(const struct plant *a, const struct plant *b, unsigned outlet)
{
	struct meter_reading one = {0}, other = {0};
	return plant_read_meter(a, outlet, &one) == plant_read_meter(b, outlet, &other) &&
	       one.mono_ms == other.mono_ms && one.register_mwh == other.register_mwh &&
	       one.power_mw == other.power_mw && one.current_ma == other.current_ma && one.clock_ms == other.clock_ms &&
	       strcmp(one.serial, other.serial) == 0;
}

static bool same_outlet(const struct plant *a, const struct plant *b, unsigned outlet)
{
	return plant_true_uj(a, outlet) == plant_true_uj(b, outlet) &&
	       plant_power_mw(a, outlet) == plant_power_mw(b, outlet) &&
	       plant_contact(a, outlet) == plant_contact(b, outlet) &&
	       plant_driven(a, outlet) == plant_driven(b, outlet) &&
	       plant_energised(a, outlet) == plant_energised(b, outlet) && same_meter(a, b, outlet) &&
	       same_gate(a, b, (int)outlet);
}

static bool same_world(const struct plant *a, const struct plant *b)
{
	return plant_next_change(a) == plant_next_change(b) && plant_mains(a) == plant_mains(b) &&
	       same_gate(a, b, BOX) && same_outlet(a, b, 0) && same_outlet(a, b, 1);
}

struct act {
	uint64_t what;
	unsigned outlet;
	bool yes;
	int64_t number;
};

static void act_on_gate(struct plant *p, const struct act *act)
{
	int outlet = act->number % 3 ? (int)act->outlet : BOX;
	switch (act->what) {
	case 0:
		plant_pulse_lock(p, outlet, act->number);
		break;
	case 1:
		plant_open_door(p, outlet, act->yes);
		break;
	case 2:
		plant_close_door(p, outlet);
		break;
	default:
		plant_tick_bounce(p, outlet, act->number);
		break;
	}
}

static void act_on(struct plant *p, const struct act *act)
{
	int64_t n = act->number;
	switch (act->what) {
	case 4:
	case 5:
		plant_drive_breaker(p, act->outlet, act->yes);
		break;
	case 6:
		plant_plug(p, act->outlet, &(struct plant_load){n * 7919, n * 10, n * 3, n % 50, act->yes ? n : 0});
		break;
	case 7:
		plant_set_fault(p, act->outlet, 1U << n % 6, act->yes);
		break;
	case 8:
		(act->yes ? plant_trip : plant_reset_trip)(p, act->outlet);
		break;
	case 9:
		plant_set_mains(p, act->yes || n % 2);
		break;
	case 10:
		plant_set_board(p, act->yes || n % 2);
		break;
	case 11:
		plant_replace_meter(p, act->outlet, &(struct plant_meter_config){.step_mwh = 1 + n, .initial_mwh = n});
		break;
	default:
		act_on_gate(p, act);
		break;
	}
}

/* One world goes in one stride, one in random steps, one from change to change. */
static void advance_three(struct plant *const *plants, int64_t from_ms, int64_t to_ms)
{
	plant_advance(plants[0], to_ms);
	for (int64_t at_ms = from_ms; at_ms < to_ms;) {
		at_ms += (int64_t)next_random(40);
		plant_advance(plants[1], at_ms < to_ms ? at_ms : to_ms);
	}
	while (plant_next_change(plants[2]) <= to_ms)
		plant_advance(plants[2], plant_next_change(plants[2]));
	plant_advance(plants[2], to_ms);
}

START_TEST(steps_do_not_matter)
{
	seed = UINT64_C(0x9e3779b97f4a7c15) + (uint64_t)_i;
	struct plant_config config = two_outlets();
	config.outlets[0].meter.has_clock = true;
	struct plant *plants[3] = {plant_new(&config), plant_new(&config), plant_new(&config)};
	int64_t now_ms = 0;
	for (int round = 0; round < 500; round++) {
		int64_t to_ms = now_ms + (int64_t)next_random(round % 16 ? 300 : 12000);
		advance_three(plants, now_ms, to_ms);
		now_ms = to_ms;
		ck_assert(same_world(plants[0], plants[1]));
		ck_assert(same_world(plants[0], plants[2]));
		ck_assert_int_gt(plant_next_change(plants[0]), now_ms);
		struct act act = {next_random(12), (unsigned)next_random(2), next_random(2), (int64_t)next_random(150)};
		for (int i = 0; i < 3; i++)
			act_on(plants[i], &act);
	}
	for (int i = 0; i < 3; i++)
		plant_free(plants[i]);
}
END_TEST

/* What is there to be changed at moments only. */
struct sight {
	bool contact, door, unlocked, energised;
	int64_t power_mw, next_ms;
};

static struct sight look(void)
{
	return (struct sight){
		plant_contact(plant, 0),
		plant_door(plant, 0),
		plant_unlocked(plant, 0),
		plant_energised(plant, 0),
		plant_power_mw(plant, 0),
		plant_next_change(plant),
	};
}

static bool same_sight(struct sight a, struct sight b)
{
	return a.contact == b.contact && a.door == b.door && a.unlocked == b.unlocked && a.energised == b.energised &&
	       a.power_mw == b.power_mw && a.next_ms == b.next_ms;
}

/* What is not announced does not happen: between two change moments only time, energy and clocks move on. */
START_TEST(changes_are_announced)
{
	seed = UINT64_C(0xda942042e4dd58b5) + (uint64_t)_i;
	int quiet = 0, surprises = 0, miscounts = 0;
	for (int64_t now_ms = 0; now_ms < 20000; now_ms++) {
		struct sight before = look();
		int64_t uj = plant_true_uj(plant, 0);
		plant_advance(plant, now_ms + 1);
		miscounts += plant_true_uj(plant, 0) != uj + before.power_mw;
		if (before.next_ms > now_ms + 1) {
			quiet++;
			surprises += !same_sight(before, look());
		}
		struct act act = {next_random(11), 0, next_random(2), 1 + (int64_t)next_random(150)};
		if (next_random(50) == 0)
			act_on(plant, &act);
	}
	ck_assert_int_gt(quiet, 1000);
	ck_assert_int_eq(surprises, 0);
	ck_assert_int_eq(miscounts, 0);
}
END_TEST

/* --- */

static TCase *breaker_case(void)
{
	TCase *tcase = tcase_create("breaker");
	tcase_add_checked_fixture(tcase, setup, teardown);
	tcase_add_test(tcase, begins_at_rest);
	tcase_add_test(tcase, refuses_what_is_outside_the_limits);
	tcase_add_test(tcase, monostable_follows_its_coil);
	tcase_add_test(tcase, opposite_command_calls_a_movement_off);
	tcase_add_test(tcase, contact_without_delay_moves_at_once);
	tcase_add_test(tcase, board_death_releases_monostable_only);
	tcase_add_test(tcase, latching_impulse_outlives_the_board);
	tcase_add_test(tcase, mains_loss_opens_and_return_closes_what_is_driven);
	tcase_add_test(tcase, mains_return_with_dead_board_closes_nothing);
	tcase_add_test(tcase, short_mains_dip);
	tcase_add_test(tcase, trip_holds_until_reset);
	tcase_add_test(tcase, reset_alone_does_not_close_a_latching_breaker);
	tcase_add_loop_test(tcase, welded_contact_stays_closed, 0, 2 * OPENERS);
	tcase_add_test(tcase, welding_stops_an_opening_under_way);
	tcase_add_loop_test(tcase, stuck_open_contact_does_not_close, 0, 2);
	tcase_add_test(tcase, bypass_feeds_whatever_the_contact_does);
	return tcase;
}

static TCase *meter_case(void)
{
	TCase *tcase = tcase_create("load and meter");
	tcase_add_checked_fixture(tcase, setup, teardown);
	tcase_add_test(tcase, inrush_and_duty_are_counted_to_the_microjoule);
	tcase_add_test(tcase, each_energising_begins_anew);
	tcase_add_test(tcase, odd_loads);
	tcase_add_test(tcase, register_shows_whole_steps);
	tcase_add_test(tcase, current_is_rounded_to_nearest);
	tcase_add_test(tcase, silent_meter_counts_on);
	tcase_add_test(tcase, zero_meter_counts_on);
	tcase_add_test(tcase, stuck_meter_shows_the_past);
	tcase_add_test(tcase, meter_without_mains_is_dead);
	tcase_add_test(tcase, replaced_meter_begins_its_own_register);
	return tcase;
}

static TCase *door_case(void)
{
	TCase *tcase = tcase_create("door and lock");
	tcase_add_checked_fixture(tcase, setup, teardown);
	tcase_add_test(tcase, locked_door_opens_by_force_only);
	tcase_add_loop_test(tcase, unused_pulse_locks_again, BOX, 2);
	tcase_add_test(tcase, unlocked_until_opened_and_closed);
	tcase_add_test(tcase, pulse_with_open_door);
	tcase_add_test(tcase, door_without_switch);
	tcase_add_test(tcase, coil_time_is_kept);
	tcase_add_test(tcase, coil_burns_beyond_its_rating);
	tcase_add_test(tcase, dead_board_gives_no_pulse_but_one_under_way_ends);
	tcase_add_test(tcase, bouncing_switch);
	return tcase;
}

static TCase *world_case(void)
{
	TCase *tcase = tcase_create("world");
	tcase_add_checked_fixture(tcase, setup, teardown);
	tcase_add_loop_test(tcase, steps_do_not_matter, 0, 20);
	tcase_add_loop_test(tcase, changes_are_announced, 0, 10);
	return tcase;
}

int main(void)
{
	Suite *suite = suite_create("plant");
	suite_add_tcase(suite, breaker_case());
	suite_add_tcase(suite, meter_case());
	suite_add_tcase(suite, door_case());
	suite_add_tcase(suite, world_case());
	SRunner *runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	int failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
