/* src/daemon/ledger_thread.c: see ledger_thread.h. */
#include "ledger_thread.h"

#include <assert.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define DIR_SIZE 256
#define PATH_SIZE 512
#define LEDGER_NAME "ledger.db"
#define OPEN_RETRY_S 3
#define COMMIT_RETRY_S 1
#define LAST_TRIES 3 /* of a commit while the process ends */

struct question {
	uint64_t from;
	size_t max;
	struct ledger_page *page; /* its answer, allocated with it: a question that was taken is answered */
};

struct ledger_thread {
	pthread_t thread;
	int event_fd;
	char dir[DIR_SIZE];
	char path[PATH_SIZE];

	pthread_mutex_t mutex; /* of all that follows */
	pthread_cond_t wake;
	bool stopping;
	struct ledger_news news;
	struct ledger_start start;
	struct ledger_queue inbox;
	struct question questions[LEDGER_PAGES_MAX];
	size_t question_count;
	struct ledger_page *pages[LEDGER_PAGES_MAX];
	size_t page_count;
	unsigned asked[LEDGER_ASKER_COUNT]; /* questions and answers that have not been fetched */
	uint64_t accepted; /* by the server; the ledger hears of it at the next turn */

	/* the thread's own */
	struct ledger *ledger;
	struct ledger_queue queue;
	bool set_aside;
};

/* --- told to the owner --- */

static void signal_owner(struct ledger_thread *t)
{
	uint64_t one = 1;
	ssize_t written = write(t->event_fd, &one, sizeof one);
	(void)written; /* it fails only when it is readable anyway */
}

static void publish(struct ledger_thread *t, enum ledger_state state, const char *error)
{
	pthread_mutex_lock(&t->mutex);
	t->news.state = state;
	t->news.tried = true;
	word_copy(t->news.error, sizeof t->news.error, error);
	if (t->ledger != NULL) {
		t->news.durable_seq = ledger_durable_seq(t->ledger);
		t->news.accepted_seq = ledger_accepted_seq(t->ledger);
	}
	pthread_mutex_unlock(&t->mutex);
	signal_owner(t);
}

/* --- opening --- */

static void fill_random(void *ctx, void *bytes, size_t count)
{
	(void)ctx;
	char *next = bytes;
	while (count > 0) {
		ssize_t got = getrandom(next, count, 0);
		if (got < 0 && errno != EINTR)
			abort(); /* a kernel without random numbers: there is no safe way on */
		if (got > 0) {
			next += got;
			count -= (size_t)got;
		}
	}
}

static int sync_directory(const char *dir)
{
	int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	int result = fsync(fd) == 0 ? 0 : -errno;
	close(fd);
	return result;
}

/* A rename that survives a power cut: a ledger set aside must not come back. */
static int rename_durably(void *ctx, const char *from, const char *to)
{
	struct ledger_thread *t = ctx;
	return rename(from, to) == 0 ? sync_directory(t->dir) : -errno;
}

/* Whether a damaged ledger lies beside the present one. */
static bool has_damaged(const struct ledger_thread *t)
{
	static const char prefix[] = LEDGER_NAME ".damaged-";
	bool found = false;
	DIR *dir = opendir(t->dir);
	if (dir == NULL)
		return false;
	for (struct dirent *entry; !found && (entry = readdir(dir)) != NULL;)
		found = strncmp(entry->d_name, prefix, sizeof prefix - 1) == 0;
	closedir(dir);
	return found;
}

static struct ledger_options options_of(struct ledger_thread *t)
{
	return (struct ledger_options){.path = t->path, .random = fill_random, .rename = rename_durably, .ctx = t};
}

/* 0 with the ledger open and t->start filled, or negative errno. */
static int open_ledger(struct ledger_thread *t, struct ledger_error *error)
{
	struct ledger_options options = options_of(t);
	if (mkdir(t->dir, 0750) < 0 && errno != EEXIST) {
		int result = -errno;
		snprintf(error->text,
			 sizeof error->text,
			 "%.120s: %.60s: make it, and let this program write there",
			 t->dir,
			 strerror(-result));
		return result;
	}
	int result = ledger_open(&options, &t->ledger, &t->start.image, error);
	if (result == -EBADMSG && (result = ledger_set_aside(&options, error)) == 0)
		result = ledger_open(&options, &t->ledger, &t->start.image, error);
	if (result < 0)
		return result;
	word_copy(t->start.id, sizeof t->start.id, ledger_id(t->ledger));
	t->start.accepted = ledger_accepted_seq(t->ledger);
	t->start.set_aside = t->start.image.seq == 0 && has_damaged(t);
	return 0;
}

/* --- waiting --- */

/* Waits at most seconds, or until there is something to do. The mutex is held. */
static void wait_a_little(struct ledger_thread *t, int seconds)
{
	struct timespec until;
	clock_gettime(CLOCK_MONOTONIC, &until);
	until.tv_sec += seconds;
	while (!t->stopping && pthread_cond_timedwait(&t->wake, &t->mutex, &until) != ETIMEDOUT)
		;
}

/* --- questions --- */

struct taking {
	struct ledger_page *page;
	size_t max;
	size_t bytes; /* so far */
	size_t bytes_max;
};

static bool take_body(void *ctx, uint64_t seq, const char *body, size_t length)
{
	struct taking *taking = ctx;
	struct ledger_page *page = taking->page;
	(void)seq;
	char *copy = strndup(body, length);
	if (copy == NULL) {
		page->result = -ENOMEM;
		return false;
	}
	page->bodies[page->count++] = copy;
	taking->bytes += length;
	return page->count < taking->max && taking->bytes < taking->bytes_max;
}

static void fill_page(struct ledger_thread *t, const struct question *q)
{
	struct ledger_error error = {.text = "out of memory"};
	struct ledger_page *page = q->page;
	struct taking taking = {.page = page, .max = q->max, .bytes_max = SIZE_MAX};
	if (page->asker == LEDGER_FOR_UPLINK)
		taking.bytes_max = LEDGER_UPLINK_BYTES;
	word_copy(page->id, sizeof page->id, ledger_id(t->ledger));
	page->durable_seq = ledger_durable_seq(t->ledger);
	page->accepted_seq = ledger_accepted_seq(t->ledger);
	if (q->from > page->durable_seq) {
		memcpy(page->tip, ledger_tip(t->ledger), sizeof page->tip);
		page->image = malloc(sizeof *page->image);
		if (page->image == NULL)
			page->result = -ENOMEM;
		else
			*page->image = *ledger_image(t->ledger);
	} else {
		int result = ledger_read(t->ledger, q->from, q->max, take_body, &taking, &error);
		if (result < 0)
			page->result = result;
	}
	if (page->result < 0)
		word_copy(page->error, sizeof page->error, error.text);
}

/* Answers the oldest question. The mutex is held, and given up meanwhile. False when there is none. */
static bool answer(struct ledger_thread *t)
{
	if (t->question_count == 0)
		return false; /* answers always have room: what was asked and not fetched is bounded as a whole */
	struct question q = t->questions[0];
	t->question_count--;
	memmove(t->questions, t->questions + 1, t->question_count * sizeof *t->questions);
	pthread_mutex_unlock(&t->mutex);
	fill_page(t, &q);
	pthread_mutex_lock(&t->mutex);
	t->pages[t->page_count++] = q.page;
	signal_owner(t);
	return true;
}

/* --- committing --- */

/* Moves what has come to the thread's own queue. The mutex is held. */
static void collect(struct ledger_thread *t)
{
	size_t count = ledger_queue_count(&t->inbox);
	for (size_t i = 0; i < count; i++) {
		bool taken = ledger_queue_push(&t->queue, ledger_queue_at(&t->inbox, i), 1);
		assert(taken); /* both together never hold more than RECORDS_QUEUED_MAX */
		(void)taken;
	}
	ledger_queue_drop(&t->inbox, count);
}

/* 0, or what ledger_commit() returned; the owner knows then. */
static int commit(struct ledger_thread *t)
{
	struct ledger_error error;
	int result = ledger_commit(t->ledger, &t->queue, &error);
	if (result == 0) {
		publish(t, LEDGER_OPEN, "");
		return 0;
	}
	if (result != -EBADMSG && result != -EPROTO) {
		publish(t, LEDGER_FAILING, error.text);
		return result;
	}
	struct ledger_options options = options_of(t);
	struct ledger_error second;
	ledger_close(t->ledger);
	t->ledger = NULL;
	if (ledger_set_aside(&options, &second) < 0)
		publish(t, LEDGER_DAMAGED, second.text);
	else
		publish(t, LEDGER_DAMAGED, error.text);
	return result;
}

/* What the server has. The mutex is held. */
static void note_accepted(struct ledger_thread *t)
{
	if (t->accepted <= ledger_accepted_seq(t->ledger))
		return;
	ledger_accept(t->ledger, t->accepted);
	t->news.accepted_seq = ledger_accepted_seq(t->ledger);
	signal_owner(t);
}

/* One turn of the open ledger. The mutex is held. False when the thread shall end. */
static bool turn(struct ledger_thread *t)
{
	collect(t);
	note_accepted(t);
	bool failing = t->news.state == LEDGER_FAILING;
	if (ledger_queue_count(&t->queue) == 0) {
		if (answer(t))
			return true;
		if (t->stopping)
			return false;
		pthread_cond_wait(&t->wake, &t->mutex);
		return true;
	}
	pthread_mutex_unlock(&t->mutex);
	int result = commit(t);
	pthread_mutex_lock(&t->mutex);
	if (t->ledger == NULL)
		return false;
	if (result < 0 && failing)
		answer(t); /* a disk that cannot be written may be read */
	if (result < 0)
		wait_a_little(t, COMMIT_RETRY_S);
	return result == 0 || !t->stopping;
}

static void *run(void *argument)
{
	struct ledger_thread *t = argument;
	struct ledger_error error;
	int result;
	while ((result = open_ledger(t, &error)) < 0) {
		publish(t, LEDGER_UNAVAILABLE, error.text);
		pthread_mutex_lock(&t->mutex);
		wait_a_little(t, OPEN_RETRY_S);
		bool stopping = t->stopping;
		pthread_mutex_unlock(&t->mutex);
		if (stopping)
			return NULL;
	}
	publish(t, LEDGER_OPEN, "");
	pthread_mutex_lock(&t->mutex);
	while (turn(t))
		;
	collect(t); /* what came during the last commit */
	pthread_mutex_unlock(&t->mutex);
	for (int i = 0; t->ledger != NULL && ledger_queue_count(&t->queue) > 0 && i < LAST_TRIES; i++)
		commit(t);
	ledger_close(t->ledger);
	return NULL;
}

/* --- the owner's side --- */

static void free_thread(struct ledger_thread *t)
{
	for (size_t i = 0; i < t->page_count; i++)
		ledger_page_free(t->pages[i]);
	for (size_t i = 0; i < t->question_count; i++)
		ledger_page_free(t->questions[i].page);
	pthread_cond_destroy(&t->wake);
	pthread_mutex_destroy(&t->mutex);
	if (t->event_fd >= 0)
		close(t->event_fd);
	free(t);
}

int ledger_thread_start(const char *dir, struct ledger_thread **thread)
{
	struct ledger_thread *t = calloc(1, sizeof *t);
	if (t == NULL)
		return -ENOMEM;
	pthread_condattr_t attributes;
	pthread_condattr_init(&attributes);
	pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
	pthread_mutex_init(&t->mutex, NULL);
	pthread_cond_init(&t->wake, &attributes);
	pthread_condattr_destroy(&attributes);
	ledger_queue_init(&t->inbox);
	ledger_queue_init(&t->queue);
	snprintf(t->dir, sizeof t->dir, "%s", dir);
	snprintf(t->path, sizeof t->path, "%s/%s", dir, LEDGER_NAME);
	word_copy(t->news.error, sizeof t->news.error, "it is being opened");
	t->event_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	int result = t->event_fd < 0 ? -errno : -pthread_create(&t->thread, NULL, run, t);
	if (result < 0) {
		free_thread(t);
		return result;
	}
	*thread = t;
	return 0;
}

void ledger_thread_stop(struct ledger_thread *t)
{
	if (t == NULL)
		return;
	pthread_mutex_lock(&t->mutex);
	t->stopping = true;
	pthread_cond_signal(&t->wake);
	pthread_mutex_unlock(&t->mutex);
	pthread_join(t->thread, NULL);
	free_thread(t);
}

int ledger_thread_fd(const struct ledger_thread *t)
{
	return t->event_fd;
}

void ledger_thread_news(struct ledger_thread *t, struct ledger_news *news)
{
	uint64_t count;
	ssize_t got = read(t->event_fd, &count, sizeof count);
	(void)got; /* it may have been read before */
	pthread_mutex_lock(&t->mutex);
	*news = t->news;
	pthread_mutex_unlock(&t->mutex);
}

const struct ledger_start *ledger_thread_start_image(const struct ledger_thread *t)
{
	return &t->start;
}

void ledger_thread_append(struct ledger_thread *t, const struct record *records, size_t count)
{
	pthread_mutex_lock(&t->mutex);
	bool taken = ledger_queue_push(&t->inbox, records, count);
	assert(taken);
	(void)taken;
	pthread_cond_signal(&t->wake);
	pthread_mutex_unlock(&t->mutex);
}

static struct ledger_page *new_page(enum ledger_asker asker, uint64_t ticket, size_t max)
{
	struct ledger_page *page = calloc(1, sizeof *page);
	if (page == NULL)
		return NULL;
	page->asker = asker;
	page->ticket = ticket;
	page->bodies = calloc(max, sizeof *page->bodies);
	if (page->bodies != NULL)
		return page;
	free(page);
	return NULL;
}

bool ledger_thread_ask(struct ledger_thread *t, enum ledger_asker asker, uint64_t ticket, uint64_t from, size_t max)
{
	static const unsigned shares[LEDGER_ASKER_COUNT] = {
		[LEDGER_FOR_CONTROL] = LEDGER_CONTROL_PAGES_MAX,
		[LEDGER_FOR_UPLINK] = LEDGER_UPLINK_PAGES_MAX,
	};
	assert(max >= 1 && max <= LEDGER_PAGE_RECORDS_MAX);
	struct ledger_page *page = new_page(asker, ticket, max);
	if (page == NULL)
		return false;
	pthread_mutex_lock(&t->mutex);
	bool open = t->news.state == LEDGER_OPEN || t->news.state == LEDGER_FAILING;
	bool taken = open && t->asked[asker] < shares[asker];
	if (taken) {
		t->asked[asker]++;
		t->questions[t->question_count++] = (struct question){.from = from, .max = max, .page = page};
		pthread_cond_signal(&t->wake);
	}
	pthread_mutex_unlock(&t->mutex);
	if (!taken)
		ledger_page_free(page);
	return taken;
}

struct ledger_page *ledger_thread_page(struct ledger_thread *t)
{
	struct ledger_page *page = NULL;
	pthread_mutex_lock(&t->mutex);
	if (t->page_count > 0) {
		page = t->pages[0];
		t->page_count--;
		t->asked[page->asker]--;
		memmove(t->pages, t->pages + 1, t->page_count * sizeof *t->pages);
	}
	pthread_mutex_unlock(&t->mutex);
	return page;
}

void ledger_page_free(struct ledger_page *page)
{
	if (page == NULL)
		return;
	for (size_t i = 0; i < page->count; i++)
		free(page->bodies[i]);
	free(page->bodies);
	free(page->image);
	free(page);
}

void ledger_thread_accept(struct ledger_thread *t, uint64_t through)
{
	pthread_mutex_lock(&t->mutex);
	if (through > t->accepted) {
		t->accepted = through;
		pthread_cond_signal(&t->wake);
	}
	pthread_mutex_unlock(&t->mutex);
}
