/* tools/ops/server/main.c: meterbox-ops's command line.
 *
 * Room: tools/ops/server. */
#include <getopt.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sysexits.h>

#include "log.h"
#include "ops_qr.h"
#include "ops_request.h"

#define LISTEN_DEFAULT "127.0.0.1:8080"
#define COMMAND_S_DEFAULT 120
#define COMMAND_S_MAX (366 * 24 * 3600)
#define CONNECTIONS_DEFAULT 4096
#define ADDRESS_DEFAULT 64
#define CURRENCY_DEFAULT "EUR"
#define REQUEST_S_DEFAULT 60
#define REQUEST_S_MAX 3600

static const char usage[] =
	"usage: meterbox-ops --db FILE --operator-token-file FILE (--command-key FILE | --insecure-commands) [OPTION]...\n"
	"The reference operations server of shared power supply boxes.\n"
	"      --db FILE                   its database, made when there is none\n"
	"      --operator-token-file FILE  the operator's bearer token, one line; others may not read it\n"
	"      --command-key FILE          the private key that signs commands; made when there is none, with FILE.pub\n"
	"      --insecure-commands         sends commands unsigned: for a workshop only\n"
	"      --listen ADDRESS:PORT       numeric (default " LISTEN_DEFAULT "); port 0: any that is free\n"
	"      --port-file FILE            writes the port there\n"
	"      --cert FILE --key FILE      TLS\n"
	"      --behind-proxy              plain HTTP on any address: a TLS proxy stands in front\n"
	"      --public-url URL            where customers find it, as outlets' QR codes have it (default: where the\n"
	"                                  operator's page was asked for)\n"
	"      --currency CODE             what customers pay in, three capital letters (default EUR)\n"
	"      --sandbox-payments          customers pay by a click, without money: for a workshop only\n"
	"      --payment-key-file FILE     the key that signs the payment provider's callbacks, one line; others may not\n"
	"                                  read it (default: a new one each time)\n"
	"      --command-seconds N         how long a command may be on its way (default 120)\n"
	"      --max-connections N         16 to 65000 (default 4096); a sixteenth is kept free of command streams\n"
	"      --max-per-address N         connections of one address, 0 for any number (default 64; any number on\n"
	"                                  a loopback address and behind a proxy, unless it is given)\n"
	"      --request-seconds N         how long a request may take to come in and be answered (default 60)\n"
	"      --log-level WORD            error, warning, info (default) or debug\n"
	"      --help, --version\n"
	"Signals: SIGTERM and SIGINT end it in order.\n"
	"Exit codes: 0 ended in order; 1 failure; 64 wrong usage; 78 wrong configuration. See meterbox-ops(8).\n";

enum {
	OPTION_DB = 256,
	OPTION_TOKEN,
	OPTION_COMMAND_KEY,
	OPTION_INSECURE,
	OPTION_LISTEN,
	OPTION_PORT_FILE,
	OPTION_CERT,
	OPTION_KEY,
	OPTION_PROXY,
	OPTION_PUBLIC_URL,
	OPTION_CURRENCY,
	OPTION_SANDBOX,
	OPTION_PAYMENT_KEY,
	OPTION_COMMAND_S,
	OPTION_CONNECTIONS,
	OPTION_ADDRESS,
	OPTION_REQUEST_S,
	OPTION_LOG_LEVEL,
	OPTION_HELP,
	OPTION_VERSION
};

static const struct option long_options[] = {
	{"db", required_argument, NULL, OPTION_DB},
	{"operator-token-file", required_argument, NULL, OPTION_TOKEN},
	{"command-key", required_argument, NULL, OPTION_COMMAND_KEY},
	{"insecure-commands", no_argument, NULL, OPTION_INSECURE},
	{"listen", required_argument, NULL, OPTION_LISTEN},
	{"port-file", required_argument, NULL, OPTION_PORT_FILE},
	{"cert", required_argument, NULL, OPTION_CERT},
	{"key", required_argument, NULL, OPTION_KEY},
	{"behind-proxy", no_argument, NULL, OPTION_PROXY},
	{"public-url", required_argument, NULL, OPTION_PUBLIC_URL},
	{"currency", required_argument, NULL, OPTION_CURRENCY},
	{"sandbox-payments", no_argument, NULL, OPTION_SANDBOX},
	{"payment-key-file", required_argument, NULL, OPTION_PAYMENT_KEY},
	{"command-seconds", required_argument, NULL, OPTION_COMMAND_S},
	{"max-connections", required_argument, NULL, OPTION_CONNECTIONS},
	{"max-per-address", required_argument, NULL, OPTION_ADDRESS},
	{"request-seconds", required_argument, NULL, OPTION_REQUEST_S},
	{"log-level", required_argument, NULL, OPTION_LOG_LEVEL},
	{"help", no_argument, NULL, OPTION_HELP},
	{"version", no_argument, NULL, OPTION_VERSION},
	{0},
};

static int misuse(const char *what)
{
	fprintf(stderr, "meterbox-ops: %s (try --help)\n", what);
	return EX_USAGE;
}

/* Puts a text where the option's text belongs. False for an option that has none. */
static bool take_text(int option, const char *text, struct ops_server_options *o)
{
	const char **place;
	switch (option) {
	case OPTION_DB:
		place = &o->db;
		break;
	case OPTION_TOKEN:
		place = &o->operator_token_file;
		break;
	case OPTION_COMMAND_KEY:
		place = &o->command_key;
		break;
	case OPTION_LISTEN:
		place = &o->listen;
		break;
	case OPTION_PORT_FILE:
		place = &o->port_file;
		break;
	case OPTION_CERT:
		place = &o->cert;
		break;
	case OPTION_PUBLIC_URL:
		place = &o->public_url;
		break;
	case OPTION_CURRENCY:
		place = &o->currency;
		break;
	case OPTION_PAYMENT_KEY:
		place = &o->payment_key;
		break;
	case OPTION_KEY:
		place = &o->key;
		break;
	default:
		return false;
	}
	*place = text;
	return true;
}

/* What has a value of another kind. NULL, or what is wrong. */
static const char *take_value(int option, const char *text, struct ops_server_options *o)
{
	enum log_level level;
	uint64_t number = 0;
	if (option == OPTION_COMMAND_S) {
		if (!ops_parse_number(text, 1, COMMAND_S_MAX, &number))
			return "--command-seconds must be 1 to 31622400, a year";
		o->command_ms = (int64_t)number * 1000;
	} else if (option == OPTION_CONNECTIONS) {
		if (!ops_parse_number(text, OPS_CONNECTIONS_LEAST, OPS_CONNECTIONS_MAX, &number))
			return "--max-connections must be 16 to 65000";
		o->connections_max = (unsigned)number;
	} else if (option == OPTION_ADDRESS) {
		if (!ops_parse_number(text, 0, OPS_CONNECTIONS_MAX, &number))
			return "--max-per-address must be 0 to 65000";
		o->address_max = (unsigned)number;
		o->address_given = true;
	} else if (option == OPTION_REQUEST_S) {
		if (!ops_parse_number(text, 1, REQUEST_S_MAX, &number))
			return "--request-seconds must be 1 to 3600";
		o->request_ms = (int64_t)number * 1000;
	} else if (option == OPTION_LOG_LEVEL) {
		if (!log_find_level(text, &level))
			return "--log-level must be error, warning, info or debug";
		log_set_level(level);
	} else {
		return "wrong usage";
	}
	return NULL;
}

/* Across options. NULL, or what is wrong. */
static const char *check_options(const struct ops_server_options *o, bool insecure)
{
	if (o->db == NULL)
		return "--db must be given";
	if (o->operator_token_file == NULL)
		return "--operator-token-file must be given";
	if (insecure == (o->command_key != NULL))
		return "either --command-key or --insecure-commands must be given";
	if ((o->cert == NULL) != (o->key == NULL))
		return "--cert and --key go together";
	if (o->cert != NULL && o->behind_proxy)
		return "--behind-proxy is for a server without --cert";
	if (o->public_url != NULL && !ops_qr_url_is_valid(o->public_url))
		return "--public-url must be http:// or https://, a host and perhaps a path, at most 200 characters";
	if (strlen(o->currency) != FEE_CURRENCY_SIZE - 1 ||
	    strspn(o->currency, "ABCDEFGHIJKLMNOPQRSTUVWXYZ") != FEE_CURRENCY_SIZE - 1)
		return "--currency must be three capital letters";
	if (o->payment_key != NULL && !o->sandbox_payments)
		return "--payment-key-file is for a server with --sandbox-payments";
	return NULL;
}

/* -1 to go on, or the exit code. */
static int read_options(int argc, char **argv, struct ops_server_options *o)
{
	bool insecure = false;
	const char *wrong = NULL;
	for (int option; wrong == NULL && (option = getopt_long(argc, argv, "", long_options, NULL)) != -1;) {
		if (option == OPTION_HELP)
			return fputs(usage, stdout) < 0 ? EX_IOERR : 0;
		if (option == OPTION_VERSION)
			return puts("meterbox-ops " METERBOX_VERSION) < 0 ? EX_IOERR : 0;
		if (option == OPTION_INSECURE)
			insecure = true;
		else if (option == OPTION_PROXY)
			o->behind_proxy = true;
		else if (option == OPTION_SANDBOX)
			o->sandbox_payments = true;
		else if (!take_text(option, optarg, o))
			wrong = take_value(option, optarg, o);
	}
	if (wrong == NULL && optind != argc)
		wrong = "it takes no arguments beside options";
	if (wrong == NULL)
		wrong = check_options(o, insecure);
	return wrong == NULL ? -1 : misuse(wrong);
}

/* Signals come through the loop. */
static void block_signals(void)
{
	sigset_t set;
	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	sigprocmask(SIG_BLOCK, &set, NULL);
	signal(SIGPIPE, SIG_IGN);
	signal(SIGXFSZ, SIG_IGN); /* a file that may not grow is an error like any other */
}

int main(int argc, char **argv)
{
	struct ops_server_options options = {
		.listen = LISTEN_DEFAULT,
		.currency = CURRENCY_DEFAULT,
		.command_ms = COMMAND_S_DEFAULT * INT64_C(1000),
		.request_ms = REQUEST_S_DEFAULT * INT64_C(1000),
		.connections_max = CONNECTIONS_DEFAULT,
		.address_max = ADDRESS_DEFAULT,
	};
	int code = read_options(argc, argv, &options);
	if (code >= 0)
		return code;
	block_signals();
	umask(umask(S_IRWXO) | S_IRWXO); /* what it makes is money's and customers' */
	return ops_server_run(&options);
}
