/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "names.h"
#include "text.h"

#include <string.h>

#define ID_FOOT_1 "aaaa1111-0000-4000-8000-000000000001"
#define ID_FOOT_2 "aaaa2222-0000-4000-8000-000000000002"
#define ID_PAD "bbbb3333-0000-4000-8000-000000000003"
#define ID_OLD "cccc4444-0000-4000-8000-000000000004"

static const char sandboxes[]
    = "[{'id': <'" ID_FOOT_1 "'>, 'app': <'foot.desktop'>, 'name': <'Foot'>, "
      "  'state': <'running'>},"
      " {'id': <'" ID_FOOT_2 "'>, 'app': <'foot.desktop'>, 'name': <'Foot'>, "
      "  'state': <'away'>},"
      " {'id': <'" ID_PAD "'>, 'app': <'mousepad'>, 'name': <'Notizen – Übung'>, "
      "  'state': <'running'>},"
      " {'id': <'" ID_OLD "'>, 'app': <'foot.desktop'>, 'name': <'Foot'>, "
      "  'state': <'ended'>}]";

static const char devices[]
    = "[{'id': <'1234567890abcdef'>, 'name': <'laptop'>, 'paired': <true>},"
      " {'id': <'1234ffff90abcdef'>, 'name': <'workstation'>, 'paired': <true>},"
      " {'id': <'9999ffff90abcdef'>, 'name': <'printer'>, 'paired': <false>}]";

static const char snapshots[]
    = "[{'snapshot': <'dddd1111-0000'>, 'label': <'before lunch'>, 'app': <'foot'>},"
      " {'snapshot': <'dddd2222-0000'>, 'label': <''>, 'app': <'foot'>}]";

static GVariant *
parse (const char *text)
{
  GVariant *list = g_variant_parse (G_VARIANT_TYPE ("aa{sv}"), text, NULL, NULL, NULL);

  g_assert_nonnull (list);
  return list;
}

static void
check_sandbox (const char *word, MossPrefer prefer, const char *expected)
{
  g_autoptr (GVariant) list = parse (sandboxes);
  g_autoptr (GError) error = NULL;
  g_autoptr (GVariant) found = moss_names_find_sandbox (list, word, prefer, &error);

  g_assert_no_error (error);
  g_assert_cmpstr (moss_dict_string (found, "id"), ==, expected);
}

static char *
fail_sandbox (const char *word, MossPrefer prefer)
{
  g_autoptr (GVariant) list = parse (sandboxes);
  g_autoptr (GError) error = NULL;
  g_autoptr (GVariant) found = moss_names_find_sandbox (list, word, prefer, &error);

  g_assert_null (found);
  g_assert_error (error, MOSS_CLI_ERROR, MOSS_CLI_ERROR_NOT_FOUND);
  return g_strdup (error->message);
}

static void
test_sandbox_by_id (void)
{
  check_sandbox (ID_FOOT_1, MOSS_PREFER_LIVE, ID_FOOT_1);
  check_sandbox ("aaaa1", MOSS_PREFER_LIVE, ID_FOOT_1);
  check_sandbox ("AAAA2", MOSS_PREFER_LIVE, ID_FOOT_2);
  check_sandbox ("bbbb", MOSS_PREFER_LIVE, ID_PAD);
}

static void
test_sandbox_by_name (void)
{
  check_sandbox ("mousepad", MOSS_PREFER_LIVE, ID_PAD);
  check_sandbox ("MousePad", MOSS_PREFER_LIVE, ID_PAD);
  check_sandbox ("notizen – übung", MOSS_PREFER_LIVE, ID_PAD);
}

static void
test_sandbox_by_state (void)
{
  check_sandbox ("foot", MOSS_PREFER_HERE, ID_FOOT_1);
  check_sandbox ("foot.desktop", MOSS_PREFER_HERE, ID_FOOT_1);
  check_sandbox ("foot", MOSS_PREFER_GONE, ID_FOOT_2);
  check_sandbox ("foot", MOSS_PREFER_ENDED, ID_OLD);
}

static void
test_sandbox_ambiguous (void)
{
  g_autofree char *by_name = fail_sandbox ("foot", MOSS_PREFER_LIVE);
  g_autofree char *by_id = fail_sandbox ("aaaa", MOSS_PREFER_LIVE);

  g_assert_nonnull (strstr (by_name, ID_FOOT_1));
  g_assert_nonnull (strstr (by_name, ID_FOOT_2));
  g_assert_nonnull (strstr (by_id, ID_FOOT_2));
  g_assert_null (strstr (by_id, ID_PAD));
}

static void
test_sandbox_unknown (void)
{
  g_autofree char *unknown = fail_sandbox ("gimp", MOSS_PREFER_LIVE);
  g_autofree char *short_id = fail_sandbox ("bbb", MOSS_PREFER_LIVE);
  g_autofree char *empty = fail_sandbox ("", MOSS_PREFER_LIVE);

  g_assert_cmpstr (unknown, ==,
                   "no app is called 'gimp'. There are: foot (aaaa1111), foot (aaaa2222), "
                   "mousepad (bbbb3333). See them all with: moss ps");
  g_assert_nonnull (strstr (short_id, "'bbb'"));
  g_assert_nonnull (strstr (empty, "''"));
}

/* A word goes to the terminal in the message, and so do the names that apps gave themselves. */
static void
test_messages_are_clean (void)
{
  g_autofree char *message = fail_sandbox ("\033[2J\xff", MOSS_PREFER_LIVE);

  g_assert_true (g_utf8_validate (message, -1, NULL));
  g_assert_null (strchr (message, '\033'));
}

static void
check_device (const char *word, const char *expected, const char *message)
{
  g_autoptr (GVariant) list = parse (devices);
  g_autoptr (GError) error = NULL;
  g_autoptr (GVariant) found = moss_names_find_device (list, word, &error);

  if (expected != NULL)
    {
      g_assert_no_error (error);
      g_assert_cmpstr (moss_dict_string (found, "name"), ==, expected);
      return;
    }
  g_assert_error (error, MOSS_CLI_ERROR, MOSS_CLI_ERROR_NOT_FOUND);
  g_assert_nonnull (strstr (error->message, message));
}

static void
test_device (void)
{
  check_device ("laptop", "laptop", NULL);
  check_device ("Laptop", "laptop", NULL);
  check_device ("12345", "laptop", NULL);
  check_device ("1234ffff90abcdef", "workstation", NULL);
  check_device ("1234", NULL, "  1234567890abcdef  laptop\n  1234ffff90abcdef  workstation");
  check_device ("lap", NULL,
                "no device is called 'lap'. Known: laptop, workstation. Add one with: moss "
                "device pair");
  check_device ("printer", NULL, "'printer' is on this network, but not one of your devices");
  check_device ("9999", NULL, "no device is called '9999'");
}

static void
test_device_none (void)
{
  g_autoptr (GVariant) list = parse ("[]");
  g_autoptr (GError) error = NULL;

  g_assert_null (moss_names_find_device (list, "laptop", &error));
  g_assert_nonnull (strstr (error->message, "none is known yet"));
}

static void
test_snapshot (void)
{
  const char *words[] = { "dddd1", "before lunch", "dddd1111-0000" };
  g_autoptr (GVariant) list = parse (snapshots);

  for (guint i = 0; i < G_N_ELEMENTS (words); i++)
    {
      g_autoptr (GVariant) found = moss_names_find_snapshot (list, words[i], NULL);

      g_assert_nonnull (found);
      g_assert_cmpstr (moss_dict_string (found, "snapshot"), ==, "dddd1111-0000");
    }
  g_assert_null (moss_names_find_snapshot (list, "dddd", NULL));
  g_assert_null (moss_names_find_snapshot (list, "", NULL));
}

/* By the app, also when that is closed; the newest one only where there is one app so called. */
static void
test_snapshots_of (void)
{
  g_autoptr (GVariant) list = parse (
      "[{'snapshot': <'a'>, 'id': <'1'>, 'app': <'foot.desktop'>, 'time': <int64 1>},"
      " {'snapshot': <'b'>, 'id': <'1'>, 'app': <'foot.desktop'>, 'time': <int64 3>},"
      " {'snapshot': <'c'>, 'id': <'1'>, 'app': <'foot.desktop'>, 'time': <int64 2>},"
      " {'snapshot': <'d'>, 'id': <'2'>, 'app': <'pad'>, 'time': <int64 1>},"
      " {'snapshot': <'e'>, 'id': <'3'>, 'app': <'pad'>, 'time': <int64 2>}]");
  g_autoptr (GVariant) feet = moss_names_find_snapshots (list, "foot");
  g_autoptr (GVariant) none = moss_names_find_snapshots (list, "nobody");
  g_autoptr (GError) error = NULL;
  g_autoptr (GVariant) newest = moss_names_find_newest (list, "foot", &error);

  g_assert_cmpuint (g_variant_n_children (feet), ==, 3);
  g_assert_cmpuint (g_variant_n_children (none), ==, 0);
  g_assert_no_error (error);
  g_assert_cmpstr (moss_dict_string (newest, "snapshot"), ==, "b");
  g_assert_null (moss_names_find_newest (list, "nobody", &error));
  g_assert_no_error (error);
  g_assert_null (moss_names_find_newest (list, "pad", &error));
  g_assert_error (error, MOSS_CLI_ERROR, MOSS_CLI_ERROR_NOT_FOUND);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/cli/names/sandbox-by-id", test_sandbox_by_id);
  g_test_add_func ("/cli/names/sandbox-by-name", test_sandbox_by_name);
  g_test_add_func ("/cli/names/sandbox-by-state", test_sandbox_by_state);
  g_test_add_func ("/cli/names/sandbox-ambiguous", test_sandbox_ambiguous);
  g_test_add_func ("/cli/names/sandbox-unknown", test_sandbox_unknown);
  g_test_add_func ("/cli/names/messages-are-clean", test_messages_are_clean);
  g_test_add_func ("/cli/names/device", test_device);
  g_test_add_func ("/cli/names/device-none", test_device_none);
  g_test_add_func ("/cli/names/snapshot", test_snapshot);
  g_test_add_func ("/cli/names/snapshots-of", test_snapshots_of);
  return g_test_run ();
}
