// SPDX-License-Identifier: LGPL-2.1-or-later
#include "status.h"

#include <gio/gio.h>
#include <glib/gi18n-lib.h>
#include <string.h>

#define MAX_TEXT 200

const char *
moss_files_get_string (GVariant *dict, const char *key)
{
  const char *text;

  return dict != NULL && g_variant_lookup (dict, key, "&s", &text) ? text : "";
}

guint64
moss_files_get_number (GVariant *dict, const char *key)
{
  g_autoptr (GVariant) value =
      dict != NULL ? g_variant_lookup_value (dict, key, NULL) : NULL;

  if (value == NULL)
    return 0;
  if (g_variant_is_of_type (value, G_VARIANT_TYPE_UINT32))
    return g_variant_get_uint32 (value);
  if (g_variant_is_of_type (value, G_VARIANT_TYPE_UINT64))
    return g_variant_get_uint64 (value);
  if (g_variant_is_of_type (value, G_VARIANT_TYPE_INT64))
    return MAX (0, g_variant_get_int64 (value));
  return 0;
}

static gboolean
is_harmless (gunichar c)
{
  return !g_unichar_iscntrl (c) && !(c >= 0x202a && c <= 0x202e) && !(c >= 0x2066 && c <= 0x2069)
         && c != 0x2028 && c != 0x2029;
}

char *
moss_files_clean (const char *text, guint max)
{
  g_autofree char *valid = g_utf8_make_valid (text, strnlen (text, 4 * (gsize) max + 4));
  GString *clean = g_string_new (NULL);
  guint n = 0;

  for (const char *c = valid; *c != '\0' && n < max; c = g_utf8_next_char (c), n++)
    g_string_append_unichar (clean, is_harmless (g_utf8_get_char (c)) ? g_utf8_get_char (c)
                                                                      : 0xfffd);
  if (n == max)
    g_string_append (clean, "…");
  return g_string_free (clean, FALSE);
}

static MossFilesState
state_of_status (GVariant *status)
{
  static const struct
  {
    const char *name;
    MossFilesState state;
  } names[] = {
    { "synced", MOSS_FILES_SYNCED },     { "syncing", MOSS_FILES_SYNCING },
    { "offline", MOSS_FILES_OFFLINE },   { "conflict", MOSS_FILES_CONFLICT },
    { "host-full", MOSS_FILES_HOST_FULL }, { "paused", MOSS_FILES_PAUSED },
  };
  const char *name = moss_files_get_string (status, "state");

  for (guint i = 0; i < G_N_ELEMENTS (names); i++)
    if (strcmp (name, names[i].name) == 0)
      return names[i].state;
  return MOSS_FILES_NONE;
}

MossFilesState
moss_files_view_state (const MossFilesView *view)
{
  if (strcmp (view->mount_state, "locked") == 0)
    return MOSS_FILES_LOCKED;
  if (strcmp (view->mount_state, "failed") == 0)
    return MOSS_FILES_FAILED;
  return state_of_status (view->status);
}

const char *
moss_files_state_icon (MossFilesState state)
{
  static const char *const icons[] = {
    [MOSS_FILES_NONE] = "moss-net-symbolic",
    [MOSS_FILES_SYNCED] = "moss-net-synced-symbolic",
    [MOSS_FILES_SYNCING] = "moss-net-syncing-symbolic",
    [MOSS_FILES_OFFLINE] = "moss-net-offline-symbolic",
    [MOSS_FILES_CONFLICT] = "moss-net-conflict-symbolic",
    [MOSS_FILES_HOST_FULL] = "moss-net-full-symbolic",
    [MOSS_FILES_PAUSED] = "moss-net-paused-symbolic",
    [MOSS_FILES_LOCKED] = "moss-net-locked-symbolic",
    [MOSS_FILES_FAILED] = "moss-net-conflict-symbolic",
  };

  return icons[state];
}

gboolean
moss_files_state_needs_attention (MossFilesState state)
{
  return state == MOSS_FILES_CONFLICT || state == MOSS_FILES_HOST_FULL
         || state == MOSS_FILES_FAILED;
}

guint
moss_files_view_conflicts (const MossFilesView *view)
{
  return MIN (moss_files_get_number (view->status, "conflicts"), G_MAXUINT);
}

static char *
say_syncing (GVariant *status)
{
  guint done = MIN (moss_files_get_number (status, "done"), G_MAXUINT - 1);
  guint total = MIN (moss_files_get_number (status, "total"), G_MAXUINT);

  if (total == 0)
    return g_strdup (_ ("Syncing"));
  /* Translators: files, as in “Syncing 3 of 12” */
  return g_strdup_printf (_ ("Syncing %u of %u"), MIN (done + 1, total), total);
}

static char *
say_conflicts (guint n)
{
  return g_strdup_printf (g_dngettext (GETTEXT_PACKAGE, "%u file has two versions",
                                       "%u files have two versions", n), n);
}

char *
moss_files_view_title (const MossFilesView *view)
{
  switch (moss_files_view_state (view))
    {
    case MOSS_FILES_SYNCED:
      return g_strdup (_ ("Everything is in sync"));
    case MOSS_FILES_SYNCING:
      return say_syncing (view->status);
    case MOSS_FILES_OFFLINE:
      return g_strdup (_ ("Offline: what you save is kept here"));
    case MOSS_FILES_CONFLICT:
      return say_conflicts (MAX (moss_files_view_conflicts (view), 1));
    case MOSS_FILES_HOST_FULL:
      return g_strdup (_ ("A host is full"));
    case MOSS_FILES_PAUSED:
      return g_strdup (_ ("Syncing is paused"));
    case MOSS_FILES_LOCKED:
      return g_strdup (_ ("Your files are locked"));
    case MOSS_FILES_FAILED:
      return g_strdup (_ ("Your files can't be shown"));
    case MOSS_FILES_NONE:
    default:
      return g_strdup (_ ("No files on /net yet"));
    }
}

char *
moss_files_duration (guint64 seconds)
{
  if (seconds < 100)
    /* Translators: a duration in seconds */
    return g_strdup_printf (_ ("%u s"), (guint) seconds);
  if (seconds < 100 * 60)
    /* Translators: a duration in minutes */
    return g_strdup_printf (_ ("%u min"), (guint) (seconds / 60));
  /* Translators: a duration in hours */
  return g_strdup_printf (_ ("%u h"), (guint) MIN (seconds / 3600, 9999));
}

static char *
say_pace (GVariant *status)
{
  guint64 left = moss_files_get_number (status, "seconds-left");
  guint64 speed = moss_files_get_number (status, "bytes-per-s");
  guint64 waiting = moss_files_get_number (status, "waiting-bytes");
  g_autofree char *size = g_format_size (waiting);
  g_autofree char *pace = g_format_size (speed);
  g_autofree char *time = moss_files_duration (left);

  if (speed == 0)
    /* Translators: bytes that wait to be sent, as in “12 MB to go” */
    return waiting > 0 ? g_strdup_printf (_ ("%s to go"), size) : g_strdup ("");
  if (left == 0)
    return g_strdup_printf (_ ("%s/s"), pace);
  /* Translators: speed and time, as in “4.2 MB/s, 12 s left” */
  return g_strdup_printf (_ ("%s/s, %s left"), pace, time);
}

static char *
say_behind (guint n)
{
  return n == 0 ? g_strdup ("")
                : g_strdup_printf (g_dngettext (GETTEXT_PACKAGE,
                                                "%u device doesn't have it all yet",
                                                "%u devices don't have it all yet", n), n);
}

char *
moss_files_view_detail (const MossFilesView *view)
{
  MossFilesState state = moss_files_view_state (view);
  const char *reason = state == MOSS_FILES_FAILED || state == MOSS_FILES_LOCKED
                           ? view->mount_reason
                           : moss_files_get_string (view->status, "reason");

  if (state == MOSS_FILES_SYNCING)
    return say_pace (view->status);
  if (*reason != '\0')
    return moss_files_clean (reason, MAX_TEXT);
  if (state == MOSS_FILES_SYNCED)
    return say_behind (moss_files_get_number (view->status, "devices-behind"));
  return g_strdup ("");
}

double
moss_files_view_progress (const MossFilesView *view)
{
  guint64 done = moss_files_get_number (view->status, "done");
  guint64 total = moss_files_get_number (view->status, "total");

  if (moss_files_view_state (view) != MOSS_FILES_SYNCING || total == 0)
    return -1;
  return CLAMP ((double) done / total, 0, 1);
}

/* The host's name without what a person doesn't want to read. */
static char *
call_host (GVariant *host)
{
  const char *url = moss_files_get_string (host, "url");
  const char *name = strstr (url, "://");

  name = name != NULL ? name + 3 : url;
  {
    g_autofree char *bare = g_strndup (name, strcspn (name, "/"));

    return moss_files_clean (bare, 60);
  }
}

char *
moss_files_host_line (GVariant *host)
{
  const char *state = moss_files_get_string (host, "state");
  guint64 quota = moss_files_get_number (host, "quota");
  g_autofree char *name = call_host (host);
  g_autofree char *used = g_format_size (moss_files_get_number (host, "used"));
  g_autofree char *all = g_format_size (quota);
  g_autofree char *reason = moss_files_clean (moss_files_get_string (host, "reason"), MAX_TEXT);

  if (strcmp (state, "full") == 0)
    /* Translators: host name, quota */
    return g_strdup_printf (_ ("%s: full (%s)"), name, all);
  if (strcmp (state, "away") == 0)
    return g_strdup_printf (_ ("%s: can't be reached"), name);
  if (strcmp (state, "refused") == 0)
    return *reason != '\0' ? g_strdup_printf ("%s: %s", name, reason)
                           : g_strdup_printf (_ ("%s: refuses"), name);
  if (quota > 0)
    /* Translators: host name, bytes used, quota */
    return g_strdup_printf (_ ("%s: %s of %s used"), name, used, all);
  return g_strdup_printf (_ ("%s: %s used"), name, used);
}

char *
moss_files_latest_line (const char *path, const char *what)
{
  g_autofree char *base = g_path_get_basename (path);
  g_autofree char *name = moss_files_clean (base, 40);

  if (strcmp (what, "came") == 0)
    /* Translators: a file that came from another device */
    return g_strdup_printf (_ ("%s came"), name);
  if (strcmp (what, "sent") == 0)
    /* Translators: a file that was saved here and is on another device or host by now */
    return g_strdup_printf (_ ("%s went out"), name);
  if (strcmp (what, "removed") == 0)
    return g_strdup_printf (_ ("%s was removed"), name);
  if (strcmp (what, "conflict") == 0)
    return g_strdup_printf (_ ("%s has two versions"), name);
  /* Translators: and is on this device alone so far */
  return g_strdup_printf (_ ("%s was saved"), name);
}

char *
moss_files_home_name (const char *home)
{
  if (home == NULL || !g_str_has_prefix (home, "/net/"))
    return g_strdup ("");
  {
    g_autofree char *name = g_strndup (home + 5, strcspn (home + 5, "/"));

    return moss_files_clean (name, 80);
  }
}
