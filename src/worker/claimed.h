/*
 * claimed.h
 *	  A request, or a webhook, between its claim and its settlement. Knows no
 *	  HTTPS beyond what is sent and what came back.
 */
#ifndef OP_CLAIMED_H
#define OP_CLAIMED_H

#include "https.h"
#include "nodes/pg_list.h"

/* Which of the two: by which functions it is claimed and settled. */
typedef struct OpClaimKind OpClaimKind;

#define OP_CLAIM_KINDS 2

/* The i-th one */
extern const OpClaimKind *op_claim_kind(int i);

/* May the next one go when one is settled? */
extern bool op_leads_on(const OpClaimKind *kind);

typedef struct OpClaimed
{
	MemoryContext	   memory; /* of this and all it points to */
	const OpClaimKind *kind;
	char			  *store;
	char			  *order_id;
	char			  *id;	  /* request_id, or event_id */
	char			  *party; /* gateway, or subscriber */
	char			  *payment_id;
	char			  *method;
	char			  *url;
	char			  *body; /* NULL: none */
	bool			   has_card;
	int				   timeout_ms;
	char			 **headers; /* each "Name: value", with room for three more */
	int				   nheaders;
} OpClaimed;

/*
 * Both within a transaction and SPI. claim: OpClaimed pointers, each in a memory
 * context of its own below `memory`; the list itself is in that, too.
 */
extern List *op_claim(const OpClaimKind *kind, const char *store, int room, MemoryContext memory);

/* reply NULL: nothing of it was sent, for the reason in `problem` */
extern void op_settle(const OpClaimed *claimed, const OpHttpsReply *reply, const char *problem);

#endif
