/*
 * sockets.c
 *	  The sockets that libcurl waits for, and the wait for them.
 *
 * libcurl tells which sockets it waits for, and the server's own WaitEventSet
 * waits, for it knows the latch and the postmaster as well and has no upper limit of
 * sockets, as select() has. Sockets come and go, but a WaitEventSet only grows:
 * it is made anew when the table has changed since the last wait. That is some
 * microseconds a socket, beside a TLS handshake for each.
 *
 * The sockets are libcurl's. fd.c does not count them: it would allow a third
 * of max_files_per_process. Where the system has no more descriptors, fd.c
 * closes files that it can open again, and a request that gets no socket was not sent.
 */
#include "postgres.h"

#include <curl/curl.h>

#include "miscadmin.h"
#include "pgstat.h"
#include "storage/latch.h"
#include "utils/memutils.h"

#include "compat.h"
#include "sockets.h"

#define OTHER_EVENTS 2 /* the latch and the postmaster */
#define FIRST_ROOM	 64

StaticAssertDecl(CURL_POLL_INOUT == (CURL_POLL_IN | CURL_POLL_OUT), "interests are bits");

static bool
make_room(OpSockets *sockets, int socket)
{
	int	   room = Max(sockets->room, FIRST_ROOM);
	uint8 *interest;

	if (socket < sockets->room)
		return true;
	while (room <= socket)
		room *= 2;
	interest = realloc(sockets->interest, room);
	if (interest == NULL)
		return false;
	memset(interest + sockets->room, 0, room - sockets->room);
	sockets->interest = interest;
	sockets->room = room;
	return true;
}

bool
op_sockets_watch(OpSockets *sockets, int socket, int what)
{
	uint8 before;
	uint8 interest = what & CURL_POLL_INOUT;

	if (what == CURL_POLL_REMOVE)
		interest = 0;
	if (!make_room(sockets, socket))
		return false;
	before = sockets->interest[socket];
	sockets->interest[socket] = interest;
	sockets->n += (interest != 0) - (before != 0);
	/* a socket that went and one that came may have the same number: both count as a change */
	sockets->changed |= before != interest;
	return true;
}

static void
free_set(OpSockets *sockets)
{
	if (sockets->set != NULL)
		FreeWaitEventSet(sockets->set);
	sockets->set = NULL;
}

/* Should it fail half-way, the set is there, and freed with the rest. */
static void
make_set(OpSockets *sockets)
{
	free_set(sockets);
	sockets->set = op_create_wait_event_set(sockets->n + OTHER_EVENTS);
	sockets->changed = true;
	AddWaitEventToSet(sockets->set, WL_LATCH_SET, PGINVALID_SOCKET, MyLatch, NULL);
	AddWaitEventToSet(sockets->set, WL_EXIT_ON_PM_DEATH, PGINVALID_SOCKET, NULL, NULL);
	for (int socket = 0; socket < sockets->room; socket++)
	{
		uint8  interest = sockets->interest[socket];
		uint32 events = (interest & CURL_POLL_IN ? WL_SOCKET_READABLE : 0) |
						(interest & CURL_POLL_OUT ? WL_SOCKET_WRITEABLE : 0);

		if (events != 0)
			AddWaitEventToSet(sockets->set, events, socket, NULL, NULL);
	}
	sockets->changed = false;
}

int
op_sockets_wait(OpSockets *sockets, long timeout_ms, OpReadySocket ready[OP_READY_SOCKETS],
				bool *latch)
{
	WaitEvent events[OP_READY_SOCKETS];
	int		  occurred;
	int		  result = 0;

	*latch = false;
	if (sockets->set == NULL || sockets->changed)
		make_set(sockets);
	occurred = WaitEventSetWait(sockets->set, timeout_ms, events, lengthof(events),
								PG_WAIT_EXTENSION);
	for (int i = 0; i < occurred; i++)
	{
		if (events[i].events & WL_LATCH_SET)
			*latch = true;
		if (events[i].events & (WL_SOCKET_READABLE | WL_SOCKET_WRITEABLE))
			ready[result++] = (OpReadySocket){
				.socket = events[i].fd,
				.readable = (events[i].events & WL_SOCKET_READABLE) != 0,
				.writable = (events[i].events & WL_SOCKET_WRITEABLE) != 0};
	}
	return result;
}

void
op_sockets_free(OpSockets *sockets)
{
	free_set(sockets);
	free(sockets->interest);
	*sockets = (OpSockets){0};
}
