/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Turns what CRIU says about a failure into a sentence for people. CRIU's wording is
 * matched by stable parts of its messages; what matches nothing is quoted. */
#define G_LOG_DOMAIN "moss-criu"
#include "criu-rpc.h"
#include "criu-stats.h"

#include <errno.h>
#include <string.h>

#define MAX_LOG 16384

typedef struct
{
  const char *part; /* of CRIU's message */
  int code;
  const char *reason; /* goes after "NAME can't travel: " or "can't be brought back: " */
  const char *from; /* %s in reason is what stands between from and to in the message; */
  const char *to;   /* to "" means the end of the line */
} Known;

static const Known known[] = {
  { "of that type", MOSS_CRIU_ERROR_NOT_TRAVELABLE,
    "it has something open that can't be moved (%s)", "(", ")" },
  { "Can't dump half of stream unix connection", MOSS_CRIU_ERROR_NOT_TRAVELABLE,
    "it has a socket open that leads outside (%s)", "connection. ", "" },
  { "External socket is used", MOSS_CRIU_ERROR_NOT_TRAVELABLE,
    "it has a socket open that leads outside", NULL, NULL },
  { "Can't dump name-less external socket", MOSS_CRIU_ERROR_NOT_TRAVELABLE,
    "it has a socket open that leads outside", NULL, NULL },
  { "In-flight connection", MOSS_CRIU_ERROR_NOT_TRAVELABLE,
    "a connection was just being made; try again", NULL, NULL },
  { "Can't dump nested", MOSS_CRIU_ERROR_NOT_TRAVELABLE,
    "it has made a nested %s namespace", "nested ", " namespace" },
  { "Nested mount namespaces are not supported", MOSS_CRIU_ERROR_NOT_TRAVELABLE,
    "it has made a nested mount namespace", NULL, NULL },
  { "Can't dump ghost file", MOSS_CRIU_ERROR_NOT_TRAVELABLE,
    "a deleted file that it still has open is too big (%s)", "ghost file ", " of" },
  { "Control messages in queue", MOSS_CRIU_ERROR_NOT_TRAVELABLE,
    "a message between its programs carries something that can't be moved", NULL, NULL },
  { "Unsupported proto", MOSS_CRIU_ERROR_NOT_TRAVELABLE,
    "it has a network socket of an unusual kind open (protocol %s)", "proto ", " for" },
  { "Unsupported socket family", MOSS_CRIU_ERROR_NOT_TRAVELABLE,
    "it has a socket of an unusual kind open (family %s)", "family: ", "" },
  { "Can't dump that handle", MOSS_CRIU_ERROR_NOT_TRAVELABLE,
    "it watches files on a file system that can't tell their names", NULL, NULL },
  { "Can't handle non-regular mapping", MOSS_CRIU_ERROR_NOT_TRAVELABLE,
    "it has a device mapped into its memory", NULL, NULL },
  { "Unsupported mapping found", MOSS_CRIU_ERROR_NOT_TRAVELABLE,
    "it has memory of an unusual kind", NULL, NULL },
  { "is already being traced", MOSS_CRIU_ERROR_NOT_TRAVELABLE,
    "a debugger is attached to it", NULL, NULL },
  { "Unseizable non-zombie", MOSS_CRIU_ERROR_NOT_TRAVELABLE,
    "a debugger is attached to it", NULL, NULL },
  { "ctty inheritance detected", MOSS_CRIU_ERROR_NOT_TRAVELABLE,
    "a program in its terminal shares that in a way that can't be moved", NULL, NULL },
  { "Can't bind id", MOSS_CRIU_ERROR_NOT_TRAVELABLE,
    "it listens at a socket whose folder is gone (%s)", "addr ", ": " },
  { "Timeout reached", MOSS_CRIU_ERROR_FAILED, "it took too long", NULL, NULL },
  { "No space left on device", MOSS_CRIU_ERROR_FAILED, "there is not enough room", NULL,
    NULL },
  { "CPU instruction capabilities do not match", MOSS_CRIU_ERROR_INCOMPATIBLE,
    "this machine's processor lacks instructions that it uses", NULL, NULL },
  { "FPU feature required by image", MOSS_CRIU_ERROR_INCOMPATIBLE,
    "this machine's processor lacks instructions that it uses", NULL, NULL },
  { "CPU capabilities do not match", MOSS_CRIU_ERROR_INCOMPATIBLE,
    "this machine's processor lacks instructions that it uses", NULL, NULL },
  { "xsave", MOSS_CRIU_ERROR_INCOMPATIBLE,
    "this machine's processor keeps its registers in another way", NULL, NULL },
  { "has bad build-ID", MOSS_CRIU_ERROR_INCOMPATIBLE,
    "%s is another version on this machine", "File ", " has bad" },
  { "has bad size", MOSS_CRIU_ERROR_INCOMPATIBLE, "%s is another version on this machine",
    "File ", " has bad" },
  { "has bad mode", MOSS_CRIU_ERROR_INCOMPATIBLE, "%s has another mode on this machine",
    "File ", " has bad" },
  { "Can't open file", MOSS_CRIU_ERROR_INCOMPATIBLE, "%s is missing on this machine",
    "Can't open file ", " on" },
};

static char *
cut_out (const char *line, const char *from, const char *to)
{
  const char *start = strstr (line, from);
  const char *end;

  if (start == NULL)
    return g_strdup ("");
  start += strlen (from);
  end = *to != '\0' ? strstr (start, to) : NULL;
  return g_strstrip (end != NULL ? g_strndup (start, end - start) : g_strdup (start));
}

static char *
fill_reason (const Known *k, const char *line)
{
  const char *hole = strstr (k->reason, "%s");
  g_autofree char *found = NULL;

  if (hole == NULL)
    return g_strdup (k->reason);
  found = cut_out (line, k->from, k->to);
  return g_strdup_printf ("%.*s%s%s", (int)(hole - k->reason), k->reason, found,
                          hole + 2);
}

/* The text of an error line without time stamp and source line; NULL for other lines. */
static const char *
error_text (const char *line)
{
  const char *start = strstr (line, "Error (");

  if (start == NULL)
    return NULL;
  start = strstr (start, "): ");
  /* Harmless: root without CAP_SYS_RESOURCE may not raise its own limit. */
  if (start == NULL || strstr (start, "Can't setup RLIMIT_NOFILE") != NULL)
    return NULL;
  return start + 3;
}

static GError *
make_error (int code, const char *name, gboolean restore, const char *reason)
{
  return g_error_new (MOSS_CRIU_ERROR, code,
                      restore ? "%s can't go on here: %s" : "%s can't travel: %s",
                      name != NULL ? name : "the app", reason);
}

GError *
moss_criu_explain_log (const char *log, const char *name, gboolean restore)
{
  g_autofree char *valid = g_utf8_make_valid (log, -1);
  g_auto (GStrv) lines = g_strsplit (valid, "\n", 0);
  const char *first = NULL;
  g_autofree char *quoted = NULL;

  for (guint i = 0; lines[i] != NULL; i++)
    {
      const char *text = error_text (lines[i]);

      if (text == NULL)
        continue;
      if (first == NULL)
        first = text;
      for (guint k = 0; k < G_N_ELEMENTS (known); k++)
        if (strstr (text, known[k].part) != NULL)
          {
            g_autofree char *reason = fill_reason (&known[k], text);

            return make_error (known[k].code, name, restore, reason);
          }
    }
  quoted = first != NULL ? g_strdup_printf ("CRIU says \"%s\"", first)
                         : g_strdup ("CRIU ended in the middle of its work");
  return make_error (MOSS_CRIU_ERROR_FAILED, name, restore, quoted);
}

void
moss_criu_explain (GError **error,
                   const MossCriuConfig *config,
                   gboolean restore,
                   const MossCriu__Response *response,
                   int images_dirfd)
{
  g_autofree char *log = moss_criu_read_tail (images_dirfd, "criu.log", MAX_LOG, NULL);
  const char *message = response != NULL ? response->cr_errmsg : NULL;
  g_autofree char *all = g_strdup_printf (
      "%s%s%s\n%s",
      message != NULL && strstr (message, "Error (") == NULL ? "Error (rpc): " : "",
      message != NULL ? message : "", "", log != NULL ? log : "");

  g_clear_error (error);
  g_propagate_error (error, moss_criu_explain_log (all, config->name, restore));
}
