/* tools/meterboxctl/server.c: see ctl_server.h.
 *
 * Room: meterboxctl; this file needs libc only. */
#include "ctl_server.h"

#include <stddef.h>
#include <string.h>

const char *ctl_server_advice(const char *reason)
{
	static const struct {
		const char *reason;
		const char *advice;
	} advices[] = {
		{"no_token",
		 "put the box's token, one line, into token_file, readable for the daemon's user and not for others"},
		{"no_command_key", "put the server's public P-256 key (PEM) into command_key_file"},
		{"ledger", "see to the disk first (dmesg, df)"},
		{"ledger_busy", "wait; if it stays, see to the disk (dmesg, df): records are not written"},
		{"no_memory", "see what else uses memory on this board"},
		{"unreachable",
		 "check the SIM card, aerial and antenna cable, the name server, and url in meterboxd.conf"},
		{"timed_out", "check the network's quality; a batch is sent in smaller parts by itself"},
		{"tls",
		 "check that ca_file is the operator's CA and url the name in the server's certificate; where it has "
		 "expired, check this box's clock (meterboxctl status): if that is right, the operator must renew it"},
		{"broken", "a device between box and server may cut connections; ask the network's owner"},
		{"captive_portal",
		 "somebody else answers in the server's place: log this box in to the network, or use another one"},
		{"refused",
		 "401 and 403: replace the token (it is read again by itself); 404: check id and url in meterboxd.conf; else ask the operator"},
		{"server_error", "nothing to do here: the operator must see to the server"},
		{"too_long", "check that url is the operations server's"},
		{"unreadable", "check that url is the operations server's, and that both are of one release"},
		{"not_accepted", "ask the operator: the server has another state of this box's records"},
		{"silent", "check the network's quality, and that nothing between holds back the server's heartbeats"},
		{"closed", "wait; if it stays, look for a second box with the same id"},
	};
	for (size_t i = 0; i < sizeof advices / sizeof *advices; i++)
		if (strcmp(advices[i].reason, reason) == 0)
			return advices[i].advice;
	return "look into the daemon's log";
}
