# order_payment: built by PGXS.
#
#   make, make install, make installcheck      as for any extension; installcheck runs on a running server (PG* variables),
#                                              without preload: regression tests, then isolation tests
#   make WITH_WORKER=no                        all of them without the second library, the only one that needs libcurl
#   make OP_TESTING=1                          a second library that stops where a test says; after make clean, and never installed
#   make tapcheck                              test/tap/*.pl: they start, restart and crash clusters of their own
#   make pgtapcheck                            test/pgtap/*.sql on the server in the PG* variables
#   make demo | test | lint | fuzz | bench     one command on a bare machine: see test/harness/lib.sh
#   make test-matrix                           make test here and on later releases of Debian, MATRIX ("host trixie forky"): test/harness/matrix
#   make soak                                  the model test, the storm and 1000 kills of the worker, each for SOAK_SECONDS (600), long vectors, crashes, sqlsmith; likewise
#   make mutation                              do the tests notice what is taken out? (test/mutation/mutants); likewise
#   make sizes                                 bytes per order, WAL per checkout, memory per connection; ROWS=100000; likewise
#   make deb                                   packages for Debian and Ubuntu, tried on a fresh cluster; into DEB_DIR (build)
#   make dist                                  the archive for PGXN; into DIST_DIR (.)
#
# Lists whose order matters, and lists of regression and isolation tests, are written out: a file that is not listed is not
# run, and lint says so.

EXTENSION = order_payment
EXTVERSION := $(shell sed -n "s/^default_version *= *'\(.*\)'.*/\1/p" $(dir $(lastword $(MAKEFILE_LIST)))order_payment.control)

MODULE_big = order_payment
OBJS = \
	src/order_payment.o \
	src/settings.o \
	src/schedule_functions.o \
	src/crypto.o \
	src/crypto_digest.o \
	src/crypto_text.o \
	src/memory.o \
	src/crypto_rsa.o \
	src/withhold.o \
	src/activity.o \
	src/log_guard.o \
	src/status.o \
	src/graph.o \
	src/default_graph.o \
	src/diagram.o \
	src/trigger_call.o \
	src/guard.o \
	src/move.o \
	src/transition.o \
	src/currency.o \
	src/money.o \
	src/allocate.o \
	src/derived.o \
	src/rules.o \
	src/payment_rules.o \
	src/recorder.o \
	src/uuid_v7.o \
	src/link.o \
	src/assigned_id.o \
	src/sibling.o \
	src/append.o \
	src/identity.o \
	src/history.o \
	src/event.o \
	src/effects.o \
	src/inquiry.o \
	src/order_total.o \
	src/order.o \
	src/line.o \
	src/payment.o \
	src/payment_effect.o \
	src/ending.o \
	src/operation.o \
	src/soundness.o \
	src/store.o \
	src/pan.o \
	src/redact.o \
	src/secret_words.o \
	src/card_text.o \
	src/envelope.o \
	src/secret_file.o \
	src/root_key.o \
	src/data_key.o \
	src/key_table.o \
	src/keyring.o \
	src/sealed.o \
	src/autonomous.o \
	src/reveal_log.o \
	src/card.o \
	src/verifier.o \
	src/check_slot.o \
	src/password.o \
	src/admission.o \
	src/card_blob.o \
	src/card_key.o \
	src/card_token.o \
	src/sealed_card.o \
	src/fingerprint.o \
	src/verification_code.o \
	src/document.o \
	src/protection.o \
	src/excluded.o \
	src/card_row.o \
	src/card_source.o \
	src/protect.o \
	src/row_token.o \
	src/secret_kind.o \
	src/secret_blob.o \
	src/gateway.o \
	src/gateway_secret.o \
	src/fields.o \
	src/form.o \
	src/flat_xml.o \
	src/json_member.o \
	src/signature_header.o \
	src/scheme.o \
	src/notification.o \
	src/message_fields.o \
	src/resource.o \
	src/signing.o \
	src/encrypted_amount.o \
	src/reseal_value.o \
	src/reseal_table.o \
	src/reseal_run.o \
	src/reseal.o \
	src/row_name.o \
	src/key_use.o \
	src/forget.o \
	src/outgoing.o \
	src/wake.o \
	src/beta.o \
	src/probability.o

# The second library. PGXS builds one library a Makefile; this one has rules of its own below, with the same flags.
WORKER = order_payment_worker
WORKER_OBJS = \
	src/worker/address.o \
	src/worker/buffer.o \
	src/worker/curl_memory.o \
	src/worker/https.o \
	src/worker/request.o \
	src/worker/sockets.o \
	src/worker/transfer.o \
	src/worker/wakeup.o \
	src/worker/claimed.o \
	src/worker/filling.o \
	src/worker/delivery.o \
	src/worker/worker_settings.o \
	src/worker/order_payment_worker.o
WITH_WORKER ?= yes
# Never to be installed where money moves: tests stop it at points (src/worker/point.h).
ifdef OP_TESTING
WORKER_OBJS += src/worker/point.o
$(WORKER_OBJS): override CPPFLAGS += -DOP_TESTING
endif

# The install script is these, in this order. header.sql is first (it stops psql), privileges.sql last.
SQL_PARTS = \
	src/header.sql \
	src/status.sql \
	src/graph.sql \
	src/default_graph.sql \
	src/transition.sql \
	src/currency.sql \
	src/money.sql \
	src/allocate.sql \
	src/card_text.sql \
	src/data_key.sql \
	src/sealed.sql \
	src/card_key.sql \
	src/card.sql \
	src/fingerprint.sql \
	src/protect.sql \
	src/event.sql \
	src/order.sql \
	src/soundness.sql \
	src/payment.sql \
	src/operation.sql \
	src/reveal_log.sql \
	src/reseal.sql \
	src/key_use.sql \
	src/key_status.sql \
	src/order_tables.sql \
	src/gateway_tables.sql \
	src/payment_tables.sql \
	src/password_tables.sql \
	src/gateway_secret.sql \
	src/notification.sql \
	src/encrypted_amount.sql \
	src/settlement.sql \
	src/layout.sql \
	src/archive.sql \
	src/views.sql \
	src/gateway_views.sql \
	src/routing.sql \
	src/store.sql \
	src/probability.sql \
	src/password.sql \
	src/admission.sql \
	src/payment_functions.sql \
	src/schedule_functions.sql \
	src/refund_functions.sql \
	src/gateway_fact.sql \
	src/stripe.sql \
	src/alipay.sql \
	src/wechatpay.sql \
	src/told_payment.sql \
	src/apply_fact.sql \
	src/notification_reading.sql \
	src/inbox.sql \
	src/adopt.sql \
	src/request.sql \
	src/request_json.sql \
	src/request_stripe.sql \
	src/request_alipay.sql \
	src/request_wechatpay.sql \
	src/settle.sql \
	src/sender.sql \
	src/claim.sql \
	src/due_work.sql \
	src/webhook.sql \
	src/card_functions.sql \
	src/card_token.sql \
	src/forget.sql \
	src/reseal_store.sql \
	src/verify_rows.sql \
	src/verify_money.sql \
	src/verify_history.sql \
	src/verify_cards.sql \
	src/verify.sql \
	src/differences.sql \
	src/upgrade.sql \
	src/privileges.sql

INSTALL_SCRIPT_SQL = sql/order_payment--$(EXTVERSION).sql
DATA = $(wildcard sql/*--*--*.sql)
DATA_built = $(INSTALL_SCRIPT_SQL)

# sql/NAME.sql and expected/NAME.out. A C locale, for the tests must not depend on the server's.
REGRESS = status transition graph money amount card_number reveal_log keys sealed card card_key card_store card_attack2 reseal payment_password probability store constraints events append functions functions_refund views settlement routing \
	layout gateway_secret notification inbox adopt requests dispatch webhooks row_security attack verify upgrade story_pay story_late story_cover story_total story_refund story_dispute story_order \
	story_fee story_currency story_input story_pains story_roles story_volume card_attack catalog
REGRESS_OPTS = --encoding=UTF8 --no-locale

# test/isolation/specs/NAME.spec. The prefix iso_ keeps PostgreSQL 16+ from finding a regression test's expected/NAME.out.
ISOLATION = iso_move iso_version iso_upsert iso_card iso_lines iso_order iso_deadlock iso_events iso_guard iso_partition iso_ddl \
	iso_idempotency iso_create_payment iso_retry iso_refund_order iso_expire iso_settlement iso_claim iso_webhook \
	iso_money_lines iso_upgrade iso_reseal iso_key_state iso_password \
	iso_refund_race iso_capture_race iso_pay_race iso_key_race iso_money_deadlock iso_money_2pc iso_notification
ISOLATION_OPTS = --inputdir=$(srcdir)/test/isolation --encoding=UTF8 --no-locale

# Installed beside the README: what its commands use, and programs to begin with.
DOC_FILES = README.md CHANGELOG.md
EXAMPLES = $(sort $(patsubst $(srcdir)/%,%,$(wildcard $(srcdir)/test/examples/*.*))) \
	test/gateway/dispatcher.py test/gateway_secret/seal_secret.sh test/gateway_secret/amount.mjs \
	test/sealed_card/seal.sh test/sealed_card/seal.mjs

EXTRA_CLEAN = $(INSTALL_SCRIPT_SQL).tmp tmp_check
comma := ,

PG_CPPFLAGS = -DORDER_PAYMENT_VERSION='"$(EXTVERSION)"'

PG_CONFIG ?= pg_config
PGXS := $(wildcard $(shell $(PG_CONFIG) --pgxs 2>/dev/null))

ifneq ($(PGXS),)
include $(PGXS)

# beta.c and crypto*.c
SHLIB_LINK += $(filter -lm, $(LIBS)) -lcrypto

# Every symbol is resolved, and the table of them made read-only, before any code of ours runs.
ifeq ($(PORTNAME), linux)
SHLIB_LINK += -Wl,-z,relro,-z,now
endif

# PGXS as Debian builds it tracks no headers. The control file is here for the version inside the library.
$(OBJS) $(OBJS:.o=.bc): $(wildcard $(srcdir)/src/*.h) $(srcdir)/order_payment.control

ifneq ($(WITH_WORKER), no)
all: $(WORKER)$(DLSUFFIX)

$(WORKER_OBJS) $(WORKER_OBJS:.o=.bc): override CPPFLAGS += -I$(srcdir)/src
$(WORKER_OBJS) $(WORKER_OBJS:.o=.bc): $(wildcard $(srcdir)/src/*.h $(srcdir)/src/worker/*.h) $(srcdir)/order_payment.control
$(WORKER_OBJS) $(WORKER_OBJS:.o=.bc): | libcurl-headers

# What PGXS adds to SHLIB_LINK is its own affair, but for the flags that make the table of symbols read-only.
$(WORKER)$(DLSUFFIX): $(WORKER_OBJS)
	$(LINK.shared) -o $@ $(WORKER_OBJS) $(LDFLAGS) $(LDFLAGS_SL) $(filter -Wl$(comma)-z$(comma)%, $(SHLIB_LINK)) $(BE_DLLLIBS) -lcurl

.PHONY: libcurl-headers install-worker
libcurl-headers:
	@echo '#include <curl/curl.h>' | $(CC) $(CPPFLAGS) -E -x c - >/dev/null 2>&1 || { \
		echo "order_payment: the library $(WORKER) needs the headers of libcurl, which are not here." >&2; \
		echo "Install them (Debian, Ubuntu: apt install libcurl4-openssl-dev)," >&2; \
		echo "or build without that library, and thus without requests to gateways: make WITH_WORKER=no" >&2; \
		exit 1; }

install: install-worker
install-worker: $(WORKER)$(DLSUFFIX) installdirs
	$(INSTALL_SHLIB) $(WORKER)$(DLSUFFIX) '$(DESTDIR)$(pkglibdir)/$(WORKER)$(DLSUFFIX)'

ifeq ($(with_llvm), yes)
all: $(WORKER_OBJS:.o=.bc)
install-worker: install-worker-bitcode
.PHONY: install-worker-bitcode
install-worker-bitcode: $(WORKER_OBJS:.o=.bc) installdirs
	$(call install_llvm_module,$(WORKER),$(WORKER_OBJS))
endif
endif

# Whatever was built or installed before goes, also if this time the library is left out.
.PHONY: uninstall-worker clean-worker
uninstall: uninstall-worker
uninstall-worker:
	rm -f '$(DESTDIR)$(pkglibdir)/$(WORKER)$(DLSUFFIX)'
ifeq ($(with_llvm), yes)
	$(call uninstall_llvm_module,$(WORKER))
endif

clean: clean-worker
clean-worker:
	rm -f $(WORKER)$(DLSUFFIX) $(WORKER_OBJS) $(WORKER_OBJS:.o=.bc) src/worker/point.o src/worker/point.bc

# PGXS's DOCS would put a README.md beside everybody else's, and would not take away what it has put out of its folder.
OP_DOCDIR ?= $(docdir)/order_payment
.PHONY: install-docs uninstall-docs
install: install-docs
install-docs:
	$(MKDIR_P) '$(DESTDIR)$(OP_DOCDIR)/examples'
	$(INSTALL_DATA) $(addprefix $(srcdir)/,$(DOC_FILES)) '$(DESTDIR)$(OP_DOCDIR)/'
	@for f in $(EXAMPLES); do \
		if [ -x "$(srcdir)/$$f" ]; then $(INSTALL_SCRIPT) "$(srcdir)/$$f" '$(DESTDIR)$(OP_DOCDIR)/examples/' || exit; \
		else $(INSTALL_DATA) "$(srcdir)/$$f" '$(DESTDIR)$(OP_DOCDIR)/examples/' || exit; fi; done
uninstall: uninstall-docs
uninstall-docs:
	rm -f $(addprefix '$(DESTDIR)$(OP_DOCDIR)'/,$(DOC_FILES) $(addprefix examples/,$(notdir $(EXAMPLES))))
	rmdir '$(DESTDIR)$(OP_DOCDIR)/examples' '$(DESTDIR)$(OP_DOCDIR)' 2>/dev/null || true

# Each part is preceded by a line with its name, so that a line number in an error message leads back to it.
$(INSTALL_SCRIPT_SQL): $(SQL_PARTS) $(srcdir)/order_payment.control $(srcdir)/Makefile
	@$(MKDIR_P) $(@D)
	awk 'FNR == 1 { print "-- " FILENAME } { print }' $(filter %.sql,$^) > $@.tmp
	mv $@.tmp $@

TAP_FILES = $(sort $(wildcard $(srcdir)/test/tap/*.pl))
PGTAP_FILES = $(sort $(wildcard $(srcdir)/test/pgtap/*.sql))

.PHONY: tapcheck pgtapcheck
tapcheck: PROVE_TESTS = $(patsubst $(srcdir)/%,%,$(TAP_FILES))
tapcheck:
	$(if $(TAP_FILES),,$(error test/tap holds no *.pl))
	$(prove_installcheck)

PG_PROVE ?= pg_prove
pgtapcheck:
	$(if $(PGTAP_FILES),,$(error test/pgtap holds no *.sql))
	$(PG_PROVE) --ext .sql $(PGTAP_FILES)

else
.PHONY: all install installcheck installdirs uninstall clean distclean tapcheck pgtapcheck
all install installcheck installdirs uninstall clean distclean tapcheck pgtapcheck:
	@echo "order_payment: '$(PG_CONFIG)' leads to no PostgreSQL server headers (PGXS)." >&2
	@echo "Install them (Debian, Ubuntu: apt install postgresql-server-dev-all, or -15, -16 ..., and gcc)," >&2
	@echo "or name the right one: make PG_CONFIG=/path/to/pg_config. 'sudo make test' installs what it needs by itself." >&2
	@exit 1
endif

.PHONY: demo test test-matrix lint fuzz bench sizes soak mutation deb dist

demo:
	@bash test/harness/demo
test:
	@bash test/harness/test
test-matrix:
	@bash test/harness/matrix
lint:
	@[ -e .ci/lint ] || { echo "order_payment: make lint is for a checkout; a release archive comes without .ci" >&2; exit 1; }
	@bash .ci/lint
fuzz:
	@bash test/fuzz/run
bench:
	@ROWS=$(ROWS) bash test/harness/bench
sizes:
	@ROWS=$(ROWS) bash test/harness/sizes
soak:
	@bash test/harness/soak
deb:
	@DEB_DIR='$(DEB_DIR)' bash test/harness/deb

mutation:
	@bash test/mutation/run

DIST_DIR ?= .
DEB_DIR ?= build

# what is committed
dist:
	git archive --format=zip --prefix=order_payment-$(EXTVERSION)/ -o '$(DIST_DIR)/order_payment-$(EXTVERSION).zip' HEAD
