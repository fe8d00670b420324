/* tools/meterboxctl/ctl_session.h: the parts of "meterboxctl session".
 *
 * Room: meterboxctl. */
#ifndef CTL_SESSION_H
#define CTL_SESSION_H

#include "ctl_program.h"

/* A technician's own session on an outlet (0-based): asks for it, starts it when it is ready, shows it until Enter,
 * Ctrl-C or its end, and prints its receipt. */
enum ctl_exit ctl_session_service(const struct ctl_options *options, unsigned outlet);

#endif
