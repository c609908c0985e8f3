/*
 * worker_settings.h
 *	  The settings order_payment_worker.*, as C variables.
 */
#ifndef OP_WORKER_SETTINGS_H
#define OP_WORKER_SETTINGS_H

#include "nodes/pg_list.h"

/* which databases have a worker; see op_worker_database_names() */
extern char *op_worker_databases;

/* as whom it connects; no superuser */
extern char *op_worker_role;

/* which stores it serves, a list of schemas; a database may say its own by ALTER DATABASE */
extern char *op_worker_stores;

/* requests that one worker has on their way at once */
extern int op_worker_max_in_flight;

/* how long it sleeps at most before it looks for work, in milliseconds */
extern int op_worker_poll_interval;

/* for a connection, in milliseconds; for a whole request its gateway says it */
extern int op_worker_connect_timeout;

/* bound of the body of an answer, in kB */
extern int op_worker_max_reply;

/* PEM; empty: the certificates of the system, and no list of revoked ones */
extern char *op_worker_ca_file;
extern char *op_worker_crl_file;

/* requests may go to this machine and its neighbours */
extern bool op_worker_allow_private_addresses;

/* Only while shared_preload_libraries are loaded: some cannot be made later. */
extern void op_worker_settings_init(void);

/* Nodes of type String, in the current memory context */
extern List *op_worker_database_names(void);

#endif
