/*
 * settings.h
 *	  The settings order_payment.*, as C variables.
 */
#ifndef OP_SETTINGS_H
#define OP_SETTINGS_H

/* who and why, for the history; empty means not given */
extern char *op_actor;
extern char *op_reason;

/* superuser only: rows are being restored, triggers let them pass unchanged */
extern bool op_restore;

/* superuser only: order_events may be updated, deleted and truncated */
extern bool op_allow_history_change;

/* backends that hold keys are closed to other programs (the setting protect_memory) */
extern bool op_protect_memory_setting;

extern void op_settings_init(void);

#endif
