/*
 * https.h
 *	  HTTPS requests, many at a time. Knows no table and no SPI.
 *
 * request	what is to be sent: method, URL, headers, body. Copied when it is
 *			submitted, and wiped when it is over
 * owner	whatever the caller wants to know a request by
 * turn		one wait for what happens, and libcurl's work on it
 * reply	how a request ended. Each that was submitted has exactly one, also if
 *			it was never sent; what is canceled has none
 *
 * outcome	what can be said of a request afterwards:
 *	NOT_SENT	not a byte of it has left, so nobody has acted on it. Its own fault,
 *				or there was no verified connection
 *	LOST		it was sent, as a whole, in part or perhaps, and there is no whole
 *				answer that can be read. The other side may have acted on it
 *	ANSWERED	a whole HTTP answer is here, whatever its status
 *
 * A caller turns until op_https_take() has what it waits for:
 *
 *		while (!op_https_take(https, &reply))
 *			if (op_https_turn(https, timeout))
 *			{
 *				ResetLatch(MyLatch);
 *				CHECK_FOR_INTERRUPTS();
 *			}
 *
 * What is never done: HTTP without TLS, an unverified peer, a redirect, a proxy,
 * a password of ~/.netrc, a cookie, a second attempt.
 */
#ifndef OP_HTTPS_H
#define OP_HTTPS_H

typedef struct OpHttps OpHttps;

typedef struct OpHttpsSettings
{
	const char *ca_file;	   /* certificates to trust, PEM; null: those of the system */
	const char *crl_file;	   /* revoked ones, PEM, for each CA that is met; null: not looked at */
	bool		allow_private; /* addresses that are not public may be connected to */
	size_t		max_body;	   /* of an answer, in bytes */
	int			connect_timeout_ms;
} OpHttpsSettings;

typedef struct OpHttpsRequest
{
	const char		  *method;	/* GET, POST ... */
	const char		  *url;		/* https://..., without user or password */
	const char *const *headers; /* each "Name: value" */
	int				   nheaders;
	const char		  *body; /* null: none */
	size_t			   body_size;
	int				   timeout_ms; /* for everything, from now on */
	void			  *owner;
} OpHttpsRequest;

typedef enum OpHttpsOutcome
{
	OP_HTTPS_NOT_SENT,
	OP_HTTPS_LOST,
	OP_HTTPS_ANSWERED
} OpHttpsOutcome;

/*
 * error: one of a fixed list of words, null if answered
 *	bad_request				method, URL or header is malformed or not allowed
 *	address_refused			each address of the host is one that is not public
 *	name_not_resolved
 *	not_connected
 *	certificate_refused		of another host, expired, revoked, of an unknown CA
 *	tls_failed				no common version of TLS, or a broken handshake
 *	trust_unusable			our file with certificates to trust, or with revoked ones
 *	timeout
 *	connection_lost			reset, closed or truncated
 *	reply_too_large			headers or body
 *	reply_malformed			what came is no HTTP
 *	no_resources			memory, descriptors, threads
 *	failed					anything else
 */
typedef struct OpHttpsReply
{
	void		  *owner;
	OpHttpsOutcome outcome;
	int			   status;	/* of HTTP; 0 unless answered */
	char		 **headers; /* each "Name: value", as they came; of the last status line */
	int			   nheaders;
	char		  *body; /* a zero follows it */
	size_t		   body_size;
	int64		   duration_us;
	const char	  *error;
	char		  *error_text; /* printable ASCII; null if answered */
} OpHttpsReply;

/* Lives in the current memory context, and with all its requests ends with it. */
extern OpHttps *op_https_new(const OpHttpsSettings *settings);

extern void op_https_submit(OpHttps *https, const OpHttpsRequest *request);

/* Returns at once if a reply is there. true: the latch is set, and still is. */
extern bool op_https_turn(OpHttps *https, long timeout_ms);

/* A reply, in the current memory context; false if there is none yet */
extern bool op_https_take(OpHttps *https, OpHttpsReply *reply);

/* submitted and not taken */
extern int op_https_in_flight(const OpHttps *https);

#ifdef OP_TESTING
/* Has something left, and is nothing left to leave? */
extern bool op_https_is_sent(OpHttps *https);
#endif

/* Forgets all that is in flight; who was connected to sees the connection close. */
extern void op_https_free(OpHttps *https);

#endif
