/* src/daemon/power_boot.h: since when the board has power, counted in boots of the daemon.
 *
 * Room: src/daemon. Where only the process died, the monotonic clock has run on, and how long ago a record was needs no
 * other clock. */
#ifndef POWER_BOOT_H
#define POWER_BOOT_H

#include <stdint.h>

/* The first boot of the daemon in the kernel's present boot with this ledger, of which boot is the daemon's own: kept in a
 * small file beside the control socket. boot itself when it is the first; 0, logged, when it cannot be told. */
uint32_t power_boot(const char *control_socket, const char *ledger_id, uint32_t boot);

#endif
