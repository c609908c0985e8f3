/*
 * request.h
 *	  What a request may consist of.
 */
#ifndef OP_REQUEST_H
#define OP_REQUEST_H

#include "https.h"

/* What is wrong with it, as a text for people that shows nothing of it; null: nothing */
extern const char *op_request_fault(const OpHttpsRequest *request);

/* Is one of its headers of this name? */
extern bool op_request_has_header(const OpHttpsRequest *request, const char *name);

#endif
