/* tools/meterboxctl/status.c: "meterboxctl status": the box as it is now.
 *
 * Room: meterboxctl; src/control, src/model, cJSON. */
#include <stdio.h>

#include "ctl_client.h"
#include "ctl_query.h"
#include "ctl_show.h"

/* Prints the answer and judges it; with an outlet only what it needs. */
static enum ctl_exit show_status(const struct ctl_options *options, const struct ctl_state *state, const char *line,
				 unsigned outlet)
{
	bool wrong = ctl_box_is_wrong(state);
	if (outlet != CTL_ALL_OUTLETS && outlet >= state->outlet_count)
		return ctl_usage("this box has outlets 1 to %u", state->outlet_count);
	if (options->json)
		puts(line);
	else
		ctl_show(state, outlet, stdout);
	for (unsigned i = 0; i < state->outlet_count; i++) {
		if (outlet == CTL_ALL_OUTLETS || outlet == i)
			wrong = wrong || ctl_outlet_is_wrong(state, i);
	}
	return wrong ? CTL_WRONG : CTL_GOOD;
}

enum ctl_exit ctl_status_command(const struct ctl_options *options, int argc, char *argv[])
{
	struct ctl_client client;
	struct ctl_state state;
	const char *line = NULL;
	unsigned outlet = CTL_ALL_OUTLETS;
	if (argc > 2)
		return ctl_usage("status takes one outlet at most");
	if (argc == 2 && !ctl_read_outlet(argv[1], &outlet))
		return CTL_USAGE;
	enum ctl_exit result = ctl_client_open(&client, options->socket);
	if (result == CTL_GOOD)
		result = ctl_query_state(&client, &state, &line);
	if (result == CTL_GOOD)
		result = show_status(options, &state, line, outlet);
	else
		ctl_fail(result, "%s", client.error);
	ctl_client_close(&client);
	return result;
}
