/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once

#include "moss-dbus-files.h"
#include "moss-dbus-agent.h"
#include "moss-dbus-functionbroker.h"
#include "moss-dbus-net.h"
#include "moss-dbus-session.h"

#include <gio/gio.h>

G_BEGIN_DECLS

/* What the verbs of `moss` share. One thread; every call of a service blocks unless it says
 * otherwise. Errors are MossCliErrors: the code is the exit status, the message one sentence or
 * more that name the object, the reason and the way out. */

#define MOSS_CLI_ERROR (moss_cli_error_quark ())
GQuark moss_cli_error_quark (void);

typedef enum
{
  MOSS_CLI_ERROR_FAILED = 1,
  MOSS_CLI_ERROR_USAGE = 2,
  MOSS_CLI_ERROR_NOT_FOUND = 3,
  MOSS_CLI_ERROR_NOT_TRAVELABLE = 4,
} MossCliError;

typedef enum
{
  MOSS_CLI_SESSION,
  MOSS_CLI_NET,
  MOSS_CLI_AGENT,
  MOSS_CLI_BROKER,
} MossCliService;

/* Sets error from what a service said, or what became of the call; takes cause. Always FALSE. */
gboolean moss_cli_fail (GError **error, MossCliService service, GError *cause);

typedef struct _MossVerb MossVerb;

/* One call of the program: the verb and its own arguments (argv[0] is the verb). */
typedef struct
{
  const MossVerb *verb;
  int argc;
  char **argv;
  GStrv args;   /* after moss_cli_parse(): what is no option; owned by the caller of the verb */
} MossCall;

struct _MossVerb
{
  const char *name;
  const char *usage;     /* what follows the verb; translatable */
  const char *summary;   /* translatable */
  gboolean (*run) (MossCall *call, GError **error);
  gboolean hidden;
};

typedef enum
{
  MOSS_CLI_PARSE_PLAIN = 0,
  /* Options end at the first argument that is none: the rest belongs to a program. */
  MOSS_CLI_PARSE_OPTIONS_FIRST = 1 << 0,
} MossCliParseFlags;

/* Reads the options into their places and leaves the rest in call->args. Fails with USAGE when
 * there are less than min or more than max (−1: any number) of these. "--help" doesn't return. */
gboolean moss_cli_parse (MossCall *call, const GOptionEntry *entries, MossCliParseFlags flags,
                         int min, int max, GError **error);

/* The services; borrowed, NULL with the error set when there is no session bus. */
MossDBusSession1 *moss_cli_get_session (GError **error);
MossDBusNet1 *moss_cli_get_net (GError **error);
MossDBusAgent1 *moss_cli_get_agent (GError **error);
MossDBusFiles1 *moss_cli_get_files (GError **error);
/* The bus starts it when it isn't there. */
MossDBusFunctionBroker1 *moss_cli_get_broker (GError **error);
void moss_cli_disconnect (void);

/* aa{sv} of the sandboxes and of the devices; free with g_variant_unref(). */
GVariant *moss_cli_list_sandboxes (GError **error);
GVariant *moss_cli_list_devices (GError **error);
/* sandbox: NULL for all. Newest first as the session gives them. */
GVariant *moss_cli_list_snapshots (const char *sandbox, GError **error);

/* a{sv} as org.moss.Net1.Identity gives it; free with g_variant_unref(). */
GVariant *moss_cli_get_identity (GError **error);

/* How the keys of this device are to be sealed. */
typedef struct
{
  gboolean keyring, none;
} MossSealOptions;

/* Asks for a passphrase where one is needed: without echo on a terminal, else the first line of
 * stdin. Does nothing when the keys are sealed already. */
gboolean moss_cli_seal (const MossSealOptions *options, GError **error);

/* moss device pair and moss device revoke. */
gboolean moss_cli_pair (GStrv args, const MossSealOptions *options, GError **error);
gboolean moss_cli_revoke (const char *word, GError **error);

/* Prints a sentence for the person on stderr. */
void moss_cli_say (const char *format, ...) G_GNUC_PRINTF (1, 2);
/* Prints a value as JSON on stdout. */
void moss_cli_print_json (GVariant *value);

/* The verbs. */
gboolean moss_verb_run (MossCall *call, GError **error);
gboolean moss_verb_ps (MossCall *call, GError **error);
gboolean moss_verb_status (MossCall *call, GError **error);
gboolean moss_verb_preflight (MossCall *call, GError **error);
gboolean moss_verb_send (MossCall *call, GError **error);
gboolean moss_verb_bring (MossCall *call, GError **error);
gboolean moss_verb_cancel (MossCall *call, GError **error);
gboolean moss_verb_snapshot (MossCall *call, GError **error);
gboolean moss_verb_snapshots (MossCall *call, GError **error);
gboolean moss_verb_restore (MossCall *call, GError **error);
gboolean moss_verb_close (MossCall *call, GError **error);
gboolean moss_verb_discard (MossCall *call, GError **error);
gboolean moss_verb_logout (MossCall *call, GError **error);
gboolean moss_verb_files (MossCall *call, GError **error);
gboolean moss_verb_cat (MossCall *call, GError **error);
gboolean moss_verb_save_out (MossCall *call, GError **error);
gboolean moss_verb_device (MossCall *call, GError **error);
gboolean moss_verb_identity (MossCall *call, GError **error);
gboolean moss_verb_net (MossCall *call, GError **error);
gboolean moss_verb_fn (MossCall *call, GError **error);
gboolean moss_verb_complete (MossCall *call, GError **error);

G_END_DECLS
