/* tools/meterboxctl/ctl_server.h: what a technician may do about the link to the server.
 *
 * Room: meterboxctl. */
#ifndef CTL_SERVER_H
#define CTL_SERVER_H

/* For a reason of the daemon's status; a general piece of advice for one that is not known. */
const char *ctl_server_advice(const char *reason);

#endif
