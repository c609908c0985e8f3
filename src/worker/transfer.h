/*
 * transfer.h
 *	  One request on its way: what libcurl is told of it, and what it tells.
 */
#ifndef OP_TRANSFER_H
#define OP_TRANSFER_H

#include <curl/curl.h>

#include "lib/ilist.h"
#include "portability/instr_time.h"

#include "buffer.h"
#include "https.h"

typedef struct OpTransfer
{
	dlist_node			   node;
	const OpHttpsSettings *settings;
	void				  *owner;
	instr_time			   since;

	/* the request; libcurl reads the body where it is */
	CURL			  *easy;
	struct curl_slist *headers;
	OpBuffer		   body;
	bool			   is_head;

	/* what happened */
	bool begun;	  /* the connection was ready for it: bytes may have left */
	bool refused; /* an address was refused */
	bool too_large;
	bool no_resources;

	/* what came; each line of the headers ends with a zero */
	OpBuffer reply_headers;
	OpBuffer reply_body;
	bool	 bounded;	   /* the answer says where its body ends */
	size_t	 header_bytes; /* of all answers, interim ones as well */

	OpHttpsOutcome outcome;
	int			   status;
	const char	  *error; /* as in OpHttpsReply */
	int64		   duration_us;
	char		   error_text[CURL_ERROR_SIZE];
} OpTransfer;

/*
 * Fills in a transfer that is zero, and makes its handle. False: it is over
 * already, as its outcome says.
 */
extern bool op_transfer_prepare(OpTransfer *transfer, const OpHttpsSettings *settings,
								const OpHttpsRequest *request);

/* libcurl is done with it. The request is wiped; the reply stays. */
extern void op_transfer_finish(OpTransfer *transfer, CURLcode result);

#ifdef OP_TESTING
/* Has all of it left? */
extern bool op_transfer_is_sent(const OpTransfer *transfer);
#endif

/* In the current memory context */
extern void op_transfer_reply(const OpTransfer *transfer, OpHttpsReply *reply);

/* All that is not of a memory context; the handle must be in no multi handle. Raises nothing. */
extern void op_transfer_release(OpTransfer *transfer);

#endif
