/*
 * address.h
 *	  Which network addresses a request may go to.
 */
#ifndef OP_ADDRESS_H
#define OP_ADDRESS_H

struct sockaddr;

/* Does it lead to a machine on the public Internet? False as well for what is no IP address. */
extern bool op_address_is_public(const struct sockaddr *address);

#endif
