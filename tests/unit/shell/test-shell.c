// SPDX-License-Identifier: GPL-3.0-or-later
/* The parts of the shell that read what others say, without a screen. */
#include "format.h"
#include "keys.h"
#include "notifications.h"
#include "places.h"

#include <string.h>

/* ---- places -------------------------------------------------------------------------- */

static GVariant *
pack_one (guint id, int x, int y, int width, int height, MossFrameState state)
{
  MossPlace place = { id, { x, y, width, height }, state, FALSE, TRUE };

  return g_variant_ref_sink (moss_places_pack (1000, 700, &place, 1));
}

static void
test_places_come_back (void)
{
  g_autoptr (GVariant) value = pack_one (7, 120, 80, 400, 300, MOSS_FRAME_LEFT);
  MossPlace place;

  g_assert_true (moss_places_find (value, 7, 1000, 700, &place));
  g_assert_cmpint (place.rect.x, ==, 120);
  g_assert_cmpint (place.rect.y, ==, 80);
  g_assert_cmpint (place.rect.width, ==, 400);
  g_assert_cmpint (place.rect.height, ==, 300);
  g_assert_cmpint (place.state, ==, MOSS_FRAME_LEFT);
  g_assert_true (place.on_top);
  g_assert_false (place.minimized);
  g_assert_false (moss_places_find (value, 8, 1000, 700, &place));
  g_assert_true (moss_places_find (value, 0, 1000, 700, &place));
}

static void
test_places_fit_another_screen (void)
{
  g_autoptr (GVariant) value = pack_one (7, 600, 400, 400, 300, MOSS_FRAME_NORMAL);
  g_autoptr (GVariant) large = pack_one (7, 0, 0, 1000, 700, MOSS_FRAME_NORMAL);
  MossPlace place;

  /* At the far corner there, at the far corner here. */
  g_assert_true (moss_places_find (value, 7, 2000, 1400, &place));
  g_assert_cmpint (place.rect.x, ==, 1600);
  g_assert_cmpint (place.rect.y, ==, 1100);
  g_assert_cmpint (place.rect.width, ==, 400);
  /* Too large for here: cut to what there is. */
  g_assert_true (moss_places_find (large, 7, 640, 480, &place));
  g_assert_cmpint (place.rect.width, ==, 640);
  g_assert_cmpint (place.rect.height, ==, 480);
  g_assert_cmpint (place.rect.x, ==, 0);
}

static void
test_places_refuse_nonsense (void)
{
  static const char *const bad[] = {
    "'text'", "(uint32 2, [(uint32 7, 0, 0, 10, 10, uint32 0)], 100, 100)",
    "(uint32 1, [(uint32 7, 0, 0, 0, 10, uint32 0)], 100, 100)",
    "(uint32 1, [(uint32 7, 0, 0, 10, -3, uint32 0)], 100, 100)",
    "(uint32 1, [(uint32 7, 2000000000, 0, 10, 10, uint32 0)], 100, 100)",
    "(uint32 1, [(uint32 7, -2147483648, 0, 10, 10, uint32 0)], 100, 100)",
    "(uint32 1, [(uint32 7, 0, 0, 10, 10, uint32 9)], 100, 100)",
    "(uint32 1, [(uint32 7, 0, 0, 10, 10, uint32 0)], 0, 100)",
    "(uint32 1, [(uint32 7, 0, 0, 10, 10, uint32 0)], 100, -1)",
    "(uint32 1, @a(uiiiiu) [], 100, 100)",
  };
  MossPlace place;

  g_assert_false (moss_places_find (NULL, 7, 100, 100, &place));
  for (guint i = 0; i < G_N_ELEMENTS (bad); i++)
    {
      g_autoptr (GVariant) value = g_variant_parse (NULL, bad[i], NULL, NULL, NULL);

      g_assert_nonnull (value);
      g_test_message ("%s", bad[i]);
      g_assert_false (moss_places_find (value, 7, 100, 100, &place));
    }
}

/* ---- notifications ------------------------------------------------------------------- */

static void
check_markup (const char *body, const char *expected)
{
  g_autofree char *markup = moss_notification_clean_markup (body);
  g_autoptr (GError) error = NULL;

  if (expected != NULL)
    g_assert_cmpstr (markup, ==, expected);
  pango_parse_markup (markup, -1, 0, NULL, NULL, NULL, &error);
  g_assert_no_error (error);
}

static void
test_markup_is_always_well_formed (void)
{
  g_autoptr (GRand) random = g_rand_new_with_seed (20261122);
  static const char *const pieces[] = { "<b>", "</b>", "<i>", "</i>", "<u>", "</u>", "<a href='x'>",
                                        "</a>", "<", ">", "&", "&amp;", "&lt", "&#0;", "x", "ä",
                                        "\n", "<!--", "-->", "\x01", "<b", "'", "\"" };

  check_markup ("<b>bold</b> &amp; plain", "<b>bold</b> &amp; plain");
  check_markup ("a < b & c", "a &lt; b &amp; c");
  check_markup ("<b><i>x</b></i>", "<b><i>x</i></b>");
  check_markup ("<img src='x'>y", "y");
  check_markup ("<b>open", "<b>open</b>");
  check_markup ("</b>", "");
  for (guint round = 0; round < 3000; round++)
    {
      g_autoptr (GString) body = g_string_new (NULL);

      for (guint i = g_rand_int_range (random, 0, 30); i > 0; i--)
        g_string_append (body,
                         pieces[g_rand_int_range (random, 0, G_N_ELEMENTS (pieces))]);
      check_markup (body->str, NULL);
    }
}

/* ---- words and keys ------------------------------------------------------------------ */

static void
check_text (char *text, const char *expected)
{
  g_assert_cmpstr (text, ==, expected);
  g_free (text);
}

static void
test_numbers_read_well (void)
{
  check_text (moss_format_duration_ms (3), "0.1 s");
  check_text (moss_format_duration_ms (400), "0.4 s");
  check_text (moss_format_duration_ms (12300), "12 s");
  check_text (moss_format_bytes (0), "1 KB");
  check_text (moss_format_bytes (2100000), "2.1 MB");
  check_text (moss_format_snapshot ("", (gint64) 86400 * G_USEC_PER_SEC + 1),
              "2 January 1970, 00:00");
  check_text (moss_format_snapshot ("lunch", G_MAXINT64), "? · lunch");
  check_text (moss_format_bytes (58000000), "58 MB");
  check_text (moss_format_bytes (1200000000), "1.2 GB");
  check_text (moss_format_fingerprint ("0123456789abcdef"), "0123 4567 89ab cdef");
  check_text (moss_format_fingerprint (""), "");
  check_text (moss_format_app_name ("", "foot.desktop"), "foot");
  check_text (moss_format_app_name ("Terminal", "foot.desktop"), "Terminal");
}

static void
test_errors_lose_the_words_of_the_bus (void)
{
  g_autoptr (GError) error = g_dbus_error_new_for_dbus_error (
      "org.moss.Error.Refused", "laptop doesn't know this device any more");

  check_text (moss_format_error (error), "laptop doesn't know this device any more");
}

static void
test_no_key_means_two_things (void)
{
  for (int set = MOSS_KEYS_NATIVE; set <= MOSS_KEYS_NESTED; set++)
    for (int key = 0; key < MOSS_N_KEYS; key++)
      {
        g_autofree char *label = moss_keys_label (set, key);

        g_assert_cmpint (strlen (label), >, 0);
        for (int other = 0; other < key; other++)
          {
            g_autofree char *other_label = moss_keys_label (set, other);
            g_assert_cmpstr (label, !=, other_label);
          }
      }
  g_assert_cmpint (moss_keys_find (MOSS_KEYS_NATIVE, GDK_KEY_S,
                                   GDK_SUPER_MASK | GDK_LOCK_MASK), ==, MOSS_KEY_SNAPSHOT);
  g_assert_cmpint (moss_keys_find (MOSS_KEYS_NESTED, GDK_KEY_s, GDK_SUPER_MASK), ==, -1);
  g_assert_cmpint (moss_keys_find (MOSS_KEYS_NATIVE, GDK_KEY_ISO_Left_Tab,
                                   GDK_ALT_MASK | GDK_SHIFT_MASK), ==, MOSS_KEY_PREVIOUS);
}

int
main (int argc, char **argv)
{
  g_setenv ("TZ", "UTC", TRUE);
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/shell/places/come-back", test_places_come_back);
  g_test_add_func ("/shell/places/fit-another-screen", test_places_fit_another_screen);
  g_test_add_func ("/shell/places/refuse-nonsense", test_places_refuse_nonsense);
  g_test_add_func ("/shell/notifications/markup", test_markup_is_always_well_formed);
  g_test_add_func ("/shell/format/numbers", test_numbers_read_well);
  g_test_add_func ("/shell/format/errors", test_errors_lose_the_words_of_the_bus);
  g_test_add_func ("/shell/keys/unambiguous", test_no_key_means_two_things);
  return g_test_run ();
}
