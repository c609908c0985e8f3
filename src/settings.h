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

/* where the root key comes from; empty means from nowhere */
extern char *op_root_key_file;
extern char *op_root_key_command;

/* where files with secrets of gateways lie; empty means nowhere */
extern char *op_secret_directory;

/* superuser only: card data in clear are taken without the log guard */
extern bool op_allow_unguarded;

/* called when a process has read the configuration */
extern void (*op_configuration_read)(void);

/* superuser only: reveals that a role may make in an hour; -1 is no limit */
extern int op_reveal_budget;

/* backends that hold keys are closed to other programs (the setting protect_memory) */
extern bool op_protect_memory_setting;

/* payment passwords that the whole server checks at once */
extern int op_password_checks;

extern void op_settings_init(void);

#endif
