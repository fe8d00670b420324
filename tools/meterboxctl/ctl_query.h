/* tools/meterboxctl/ctl_query.h: the calls that several subcommands make.
 *
 * Room: meterboxctl; src/control, src/model, cJSON. */
#ifndef CTL_QUERY_H
#define CTL_QUERY_H

#include "ctl_client.h"
#include "ctl_state.h"

/* Asks for the status. The line, when wanted, is as ctl_client_call()'s. Results as ctl_client_call(): on failure
 * client->error says why. */
enum ctl_exit ctl_query_state(struct ctl_client *client, struct ctl_state *state, const char **line);

/* Signs on as options->name. */
enum ctl_exit ctl_query_sign_on(struct ctl_client *client, const struct ctl_options *options);

/* Sends a command of the model: checked here first, so that what is wrong is said in the model's words. The box and the
 * technician are filled in. CTL_USAGE with client->error filled when a field is out of its limits. */
enum ctl_exit ctl_query_command(struct ctl_client *client, const struct ctl_options *options, struct command *command,
				const char **line);

#endif
