/*
 * https.c
 *	  HTTPS requests, many at a time: libcurl's multi interface, driven by what
 *	  the server's own WaitEventSet sees.
 *
 * Memory: an OpHttps and its requests live in a context of their own. What libcurl
 * has is released by a callback of that context, so that no error, cancel or
 * rollback leaves a socket, a handle or a secret behind. Replies are copied
 * into the caller's context.
 *
 * Signals: libcurl resolves each name in a thread. A signal that reached such a
 * thread would run the server's handlers there, which know of one thread only. A
 * thread inherits what is blocked when it is made, so all signals are blocked
 * while libcurl works, and wait for some milliseconds.
 *
 * Errors are raised before or after libcurl works, never from its callbacks.
 */
#include "postgres.h"

#include <curl/curl.h>
#include <signal.h>

#include "utils/memutils.h"

#include "curl_memory.h"
#include "https.h"
#include "sockets.h"
#include "transfer.h"

struct OpHttps
{
	OpHttpsSettings		  settings;
	MemoryContext		  context;
	MemoryContextCallback release;
	CURLM				 *multi;
	OpSockets			  sockets;
	dlist_head			  running;
	dlist_head			  over; /* a reply may be taken of each */
	int					  in_flight;

	/* libcurl wants to be called then, whatever its sockets do */
	bool	   has_timer;
	instr_time timer_set;
	long	   timer_ms; /* after that */
};

/* ---------- signals ---------- */

static void
block_signals(sigset_t *before)
{
	sigset_t all;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, before);
}

static void
restore_signals(const sigset_t *before)
{
	pthread_sigmask(SIG_SETMASK, before, NULL);
}

/* ---------- callbacks ---------- */

static int
watch_socket(CURL *easy, curl_socket_t socket, int what, void *clientp, void *socketp)
{
	OpHttps *https = clientp;

	return op_sockets_watch(&https->sockets, socket, what) ? 0 : -1;
}

static int
set_timer(CURLM *multi, long timeout_ms, void *clientp)
{
	OpHttps *https = clientp;

	https->has_timer = timeout_ms >= 0;
	https->timer_ms = timeout_ms;
	INSTR_TIME_SET_CURRENT(https->timer_set);
	return 0;
}

/* ---------- life ---------- */

static void
release_transfers(OpHttps *https, dlist_head *transfers)
{
	while (!dlist_is_empty(transfers))
	{
		OpTransfer *transfer = dlist_container(OpTransfer, node, dlist_pop_head_node(transfers));

		if (transfer->easy != NULL)
			(void) curl_multi_remove_handle(https->multi, transfer->easy);
		op_transfer_release(transfer);
		pfree(transfer);
	}
}

/* Closing a connection tells sockets and timers of it: the callbacks need theirs until the end. */
static void
release(void *arg)
{
	OpHttps *https = arg;
	sigset_t before;

	block_signals(&before);
	release_transfers(https, &https->running);
	release_transfers(https, &https->over);
	if (https->multi != NULL)
		(void) curl_multi_cleanup(https->multi);
	op_sockets_free(&https->sockets);
	restore_signals(&before);
}

static bool
start(OpHttps *https)
{
	sigset_t before;
	bool	 result;

	block_signals(&before);
	result = op_curl_start();
	if (result)
		https->multi = curl_multi_init();
	result = https->multi != NULL &&
			 curl_multi_setopt(https->multi, CURLMOPT_SOCKETFUNCTION, watch_socket) == CURLM_OK &&
			 curl_multi_setopt(https->multi, CURLMOPT_SOCKETDATA, https) == CURLM_OK &&
			 curl_multi_setopt(https->multi, CURLMOPT_TIMERFUNCTION, set_timer) == CURLM_OK &&
			 curl_multi_setopt(https->multi, CURLMOPT_TIMERDATA, https) == CURLM_OK;
	restore_signals(&before);
	return result;
}

static char *
copy_of(const char *text)
{
	return text != NULL ? pstrdup(text) : NULL;
}

OpHttps *
op_https_new(const OpHttpsSettings *settings)
{
	MemoryContext context = AllocSetContextCreate(CurrentMemoryContext, "order_payment HTTPS",
												  ALLOCSET_SMALL_SIZES);
	MemoryContext before = MemoryContextSwitchTo(context);
	OpHttps		 *https = palloc0_object(OpHttps);

	https->settings = *settings;
	https->settings.ca_file = copy_of(settings->ca_file);
	https->settings.crl_file = copy_of(settings->crl_file);
	https->settings.max_body = Min(settings->max_body, MaxAllocSize - 1);
	https->context = context;
	dlist_init(&https->running);
	dlist_init(&https->over);
	https->release = (MemoryContextCallback){.func = release, .arg = https};
	MemoryContextRegisterResetCallback(context, &https->release);
	MemoryContextSwitchTo(before);
	if (!start(https))
		ereport(ERROR,
				(errcode(ERRCODE_OUT_OF_MEMORY),
				 errmsg("libcurl cannot be started"),
				 errhint("See whether the server has memory and file descriptors left.")));
	return https;
}

void
op_https_free(OpHttps *https)
{
	MemoryContextDelete(https->context);
}

/* ---------- requests ---------- */

void
op_https_submit(OpHttps *https, const OpHttpsRequest *request)
{
	OpTransfer *transfer = MemoryContextAllocZero(https->context, sizeof(OpTransfer));
	sigset_t	before;

	block_signals(&before);
	if (!op_transfer_prepare(transfer, &https->settings, request))
		dlist_push_tail(&https->over, &transfer->node);
	else if (curl_multi_add_handle(https->multi, transfer->easy) == CURLM_OK)
		dlist_push_tail(&https->running, &transfer->node);
	else
	{
		op_transfer_finish(transfer, CURLE_OUT_OF_MEMORY);
		dlist_push_tail(&https->over, &transfer->node);
	}
	https->in_flight++;
	restore_signals(&before);
}

int
op_https_in_flight(const OpHttps *https)
{
	return https->in_flight;
}

#ifdef OP_TESTING
bool
op_https_is_sent(OpHttps *https)
{
	dlist_iter iter;
	bool	   result = !dlist_is_empty(&https->running);

	dlist_foreach(iter, &https->running)
		result = result && op_transfer_is_sent(dlist_container(OpTransfer, node, iter.cur));
	return result;
}
#endif

bool
op_https_take(OpHttps *https, OpHttpsReply *reply)
{
	OpTransfer *transfer;

	if (dlist_is_empty(&https->over))
		return false;
	transfer = dlist_head_element(OpTransfer, node, &https->over);
	op_transfer_reply(transfer, reply);
	/* what failed above is still here, and can be taken again */
	dlist_delete(&transfer->node);
	https->in_flight--;
	op_transfer_release(transfer);
	pfree(transfer);
	return true;
}

/* ---------- turns ---------- */

/* Rounded up, for libcurl called too early only asks for another call. */
static long
timer_left_ms(const OpHttps *https)
{
	instr_time passed;

	INSTR_TIME_SET_CURRENT(passed);
	INSTR_TIME_SUBTRACT(passed, https->timer_set);
	return Max(0, https->timer_ms - (long) INSTR_TIME_GET_MILLISEC(passed));
}

/* Those that libcurl is done with get their reply. */
static void
collect(OpHttps *https)
{
	CURLMsg *message;
	int		 left;

	while ((message = curl_multi_info_read(https->multi, &left)) != NULL)
	{
		OpTransfer *transfer;
		CURLcode	result = message->data.result;

		if (message->msg != CURLMSG_DONE)
			continue;
		(void) curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, &transfer);
		(void) curl_multi_remove_handle(https->multi, transfer->easy);
		op_transfer_finish(transfer, result);
		dlist_delete(&transfer->node);
		dlist_push_tail(&https->over, &transfer->node);
	}
}

static void
work(OpHttps *https, const OpReadySocket *ready, int n)
{
	sigset_t before;
	int		 running;

	block_signals(&before);
	for (int i = 0; i < n; i++)
		(void) curl_multi_socket_action(https->multi, ready[i].socket,
										(ready[i].readable ? CURL_CSELECT_IN : 0) |
											(ready[i].writable ? CURL_CSELECT_OUT : 0),
										&running);
	if (https->has_timer && timer_left_ms(https) == 0)
	{
		https->has_timer = false; /* unless libcurl sets it again */
		(void) curl_multi_socket_action(https->multi, CURL_SOCKET_TIMEOUT, 0, &running);
	}
	collect(https);
	restore_signals(&before);
}

bool
op_https_turn(OpHttps *https, long timeout_ms)
{
	OpReadySocket ready[OP_READY_SOCKETS];
	bool		  latch;
	int			  n;

	if (!dlist_is_empty(&https->over))
		timeout_ms = 0;
	else if (https->has_timer)
		timeout_ms = Min(timeout_ms, timer_left_ms(https));
	n = op_sockets_wait(&https->sockets, timeout_ms, ready, &latch);
	work(https, ready, n);
	return latch;
}
