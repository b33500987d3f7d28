// SPDX-License-Identifier: GPL-3.0-or-later
/* What netd says, in words: every state, numbers at their limits, hostile texts and types. */
#include "vfs/files/host-address.h"
#include "vfs/files/info.h"
#include "vfs/files/status.h"
#include "vfs/gio/uri.h"

#include <glib.h>
#include <locale.h>

static GVariant *
parse (const char *text)
{
  GVariant *value = g_variant_parse (G_VARIANT_TYPE_VARDICT, text, NULL, NULL, NULL);

  g_assert_nonnull (value);
  return value;
}

/* title and detail, joined by '|'. */
static void
assert_says (const char *mount, const char *reason, const char *status, const char *expected)
{
  g_autoptr (GVariant) dict = parse (status);
  const MossFilesView view = { mount, reason, dict };
  g_autofree char *title = moss_files_view_title (&view);
  g_autofree char *detail = moss_files_view_detail (&view);
  g_autofree char *both = g_strconcat (title, "|", detail, NULL);
  /* g_format_size() puts a space that doesn't break before the unit. */
  g_auto (GStrv) parts = g_strsplit (both, "\u00a0", -1);
  g_autofree char *plain = g_strjoinv (" ", parts);

  g_assert_cmpstr (plain, ==, expected);
}

static void
test_states (void)
{
  const MossFilesView unknown = { "none", "", NULL };
  g_autofree char *title = moss_files_view_title (&unknown);

  g_assert_cmpstr (title, ==, "No files on /net yet");
  assert_says ("mounted", "", "{'state': <'synced'>}", "Everything is in sync|");
  assert_says ("mounted", "", "{'state': <'synced'>, 'devices-behind': <uint32 1>}",
               "Everything is in sync|1 device doesn't have it all yet");
  assert_says ("mounted", "", "{'state': <'syncing'>}", "Syncing|");
  assert_says ("mounted", "",
               "{'state': <'syncing'>, 'done': <uint32 2>, 'total': <uint32 12>, "
               "'waiting-bytes': <uint64 12000000>}",
               "Syncing 3 of 12|12.0 MB to go");
  assert_says ("mounted", "",
               "{'state': <'syncing'>, 'done': <uint32 12>, 'total': <uint32 12>, "
               "'bytes-per-s': <uint64 4200000>, 'seconds-left': <uint32 400>}",
               "Syncing 12 of 12|4.2 MB/s, 6 min left");
  assert_says ("mounted", "", "{'state': <'offline'>, 'reason': <'No network.'>}",
               "Offline: what you save is kept here|No network.");
  assert_says ("mounted", "", "{'state': <'conflict'>, 'conflicts': <uint32 2>}",
               "2 files have two versions|");
  assert_says ("locked", "Type it.", "{'state': <'synced'>}", "Your files are locked|Type it.");
  assert_says ("failed", "No room.", "{}", "Your files can't be shown|No room.");
}

static void
test_progress (void)
{
  g_autoptr (GVariant) half =
      parse ("{'state': <'syncing'>, 'done': <uint32 6>, 'total': <uint32 12>}");
  g_autoptr (GVariant) more =
      parse ("{'state': <'syncing'>, 'done': <uint32 60>, 'total': <uint32 12>}");
  g_autoptr (GVariant) none = parse ("{'state': <'synced'>, 'total': <uint32 12>}");
  MossFilesView view = { "mounted", "", half };

  g_assert_cmpfloat (moss_files_view_progress (&view), ==, 0.5);
  view.status = more;
  g_assert_cmpfloat (moss_files_view_progress (&view), ==, 1);
  view.status = none;
  g_assert_cmpfloat (moss_files_view_progress (&view), ==, -1);
}

/* Another version of netd, or something else that has its name. */
static void
test_nonsense (void)
{
  assert_says ("mounted", "", "{'state': <uint32 7>}", "No files on /net yet|");
  assert_says ("mounted", "", "{'state': <'dancing'>}", "No files on /net yet|");
  assert_says ("mounted", "",
               "{'state': <'syncing'>, 'done': <'many'>, 'total': <int64 -4>, "
               "'bytes-per-s': <true>}", "Syncing|");
  assert_says ("mounted", "",
               "{'state': <'syncing'>, 'done': <uint64 18446744073709551615>, "
               "'total': <uint64 18446744073709551615>}",
               "Syncing 4294967295 of 4294967295|");
  assert_says ("mounted", "", "{'state': <'paused'>, 'reason': <'a\\nb\u202ec'>}",
               "Syncing is paused|a\ufffdb\ufffdc");
}

static void
test_clean (void)
{
  g_autofree char *name = moss_files_home_name ("/net/me@home.test/x");
  g_autofree char *none = moss_files_home_name ("/home/me");
  g_autofree char *bad = moss_files_clean ("a\xff\x01", 10);
  g_autofree char *cut = moss_files_clean ("ääää", 2);

  g_assert_cmpstr (name, ==, "me@home.test");
  g_assert_cmpstr (none, ==, "");
  g_assert_cmpstr (bad, ==, "a\ufffd\ufffd");
  g_assert_cmpstr (cut, ==, "ää…");
}

static void
test_info (void)
{
  static const struct
  {
    const char *info, *state, *emblem;
  } rows[] = {
    { "{}", "", NULL },
    { "{'state': <'here'>}", "Here", "moss-here" },
    { "{'state': <'here'>, 'pinned': <true>}", "Kept here", "moss-kept" },
    { "{'state': <'elsewhere'>, 'bytes-missing': <uint64 2000>, 'cost-ms': <uint32 2100>}",
      "Elsewhere, 2.0\u00a0kB missing, about 3 s", "moss-elsewhere" },
    { "{'state': <'partly'>, 'bytes-missing': <uint64 2000>}",
      "Partly here, 2.0\u00a0kB missing", "moss-elsewhere" },
    { "{'state': <'waiting'>}", "Saved here, waits for a host", "moss-waiting" },
    { "{'state': <'conflict'>}", "Two versions", "moss-conflict" },
    { "{'state': <'gone'>}", "", NULL },
  };

  for (guint i = 0; i < G_N_ELEMENTS (rows); i++)
    {
      g_autoptr (GVariant) info = parse (rows[i].info);
      g_autofree char *state = moss_files_info_state (info);

      g_assert_cmpstr (state, ==, rows[i].state);
      g_assert_cmpstr (moss_files_info_emblem (info), ==, rows[i].emblem);
    }
}

static void
test_uri (void)
{
  static const struct
  {
    const char *uri, *path;
  } rows[] = {
    { "moss:", "/net" },
    { "moss:///", "/net" },
    { "moss://me@home.test/a%20b", "/net/me@home.test/a b" },
    { "moss:///me%40home.test/./a//b/", "/net/me@home.test/a/b" },
    { "MOSS:x", "/net/x" },
    { "moss://x/../y", NULL },
    { "moss:///%2e%2e/etc", NULL },
    { "moss://x%00y", NULL },
    { "moss://x%2", NULL },
    { "moss://x?y", NULL },
    { "file:///net/x", NULL },
    { "", NULL },
  };

  for (guint i = 0; i < G_N_ELEMENTS (rows); i++)
    {
      g_autofree char *path = moss_gio_path_of_uri (rows[i].uri);

      g_assert_cmpstr (path, ==, rows[i].path);
    }
}

static void
test_host_address (void)
{
  static const char *const good[] = { "https://example.org", "http://192.0.2.1:7788",
                                      "https://[2001:db8::1]:7788/moss" };
  static const char *const bad[] = { "", "https://", "http://", "http://a b", "example.org",
                                     "ftp://example.org", "http//wrong one", "https://a:b:c" };

  for (guint i = 0; i < G_N_ELEMENTS (good); i++)
    g_assert_true (moss_host_address_is_valid (good[i]));
  for (guint i = 0; i < G_N_ELEMENTS (bad); i++)
    g_assert_false (moss_host_address_is_valid (bad[i]));
}

int
main (int argc, char **argv)
{
  setlocale (LC_ALL, "C.UTF-8");
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/files/states", test_states);
  g_test_add_func ("/files/progress", test_progress);
  g_test_add_func ("/files/nonsense", test_nonsense);
  g_test_add_func ("/files/clean", test_clean);
  g_test_add_func ("/files/info", test_info);
  g_test_add_func ("/files/uri", test_uri);
  g_test_add_func ("/files/host-address", test_host_address);
  return g_test_run ();
}
