/*
 * sockets.h
 *	  The sockets that libcurl waits for, and the wait for them.
 */
#ifndef OP_SOCKETS_H
#define OP_SOCKETS_H

struct WaitEventSet;

/*
 * interest		by socket, what libcurl waits for: one of CURL_POLL_*, 0 for nothing.
 *				Of malloc(), for it grows in a callback of libcurl
 * changed		the set of events below is not that of the table any more
 */
typedef struct OpSockets
{
	uint8				*interest;
	int					 room;
	int					 n; /* sockets with an interest */
	bool				 changed;
	struct WaitEventSet *set;
} OpSockets;

typedef struct OpReadySocket
{
	int	 socket;
	bool readable;
	bool writable;
} OpReadySocket;

#define OP_READY_SOCKETS 64 /* that one wait tells */

/* For a callback of libcurl: raises nothing. what: one of CURL_POLL_*. False: no memory. */
extern bool op_sockets_watch(OpSockets *sockets, int socket, int what);

/*
 * Waits for sockets, the latch of the process or the end of the postmaster, which
 * ends the process. The number of sockets that are ready; *latch: it was set,
 * and still is.
 */
extern int op_sockets_wait(OpSockets *sockets, long timeout_ms,
						   OpReadySocket ready[OP_READY_SOCKETS], bool *latch);

extern void op_sockets_free(OpSockets *sockets);

#endif
