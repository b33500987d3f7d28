/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "session/manager/registry.h"
#include "session/manager/state.h"
#include "session/move/move-error.h"

#include <glib/gstdio.h>

static char *directory;

static MossState *
open_state (void)
{
  g_autoptr (GError) error = NULL;
  MossState *state = moss_state_open (directory, &error);

  g_assert_no_error (error);
  return state;
}

static void
test_newest_move_counts (void)
{
  MossState *state = open_state ();
  g_autoptr (GBytes) envelope = g_bytes_new_static ("envelope", 8);
  g_autoptr (MossMoveRow) row = NULL, old = NULL;
  g_autoptr (GPtrArray) rows = NULL;

  g_assert_true (moss_state_begin_move (state, "m1", "s", "peer", MOSS_MOVE_PREPARING, NULL));
  g_assert_true (moss_state_keep_envelope (state, "m1", envelope, NULL));
  g_assert_true (moss_state_write_move (state, "m1", MOSS_MOVE_AWAY, TRUE, NULL));
  g_assert_true (moss_state_begin_move (state, "m2", "s", "peer", MOSS_MOVE_ARRIVING, NULL));
  moss_state_free (state);

  state = open_state ();
  row = moss_state_last_move (state, "s");
  g_assert_cmpstr (row->move, ==, "m2");
  g_assert_cmpint (row->state, ==, MOSS_MOVE_ARRIVING);
  old = moss_state_find_move (state, "m1");
  g_assert_cmpint (old->state, ==, MOSS_MOVE_AWAY);
  g_assert_null (old->envelope);
  rows = moss_state_last_moves (state);
  g_assert_cmpuint (rows->len, ==, 1);
  g_assert_null (moss_state_find_move (state, "m3"));
  moss_state_free (state);
}

static void
test_snapshots (void)
{
  MossState *state = open_state ();
  MossSnapshotRow row = { "a", "s", "manual", "label", 7, 100, 10, NULL, NULL };
  g_autoptr (GPtrArray) rows = NULL;
  g_autoptr (MossSnapshotRow) found = NULL;

  row.refs = g_variant_ref_sink (g_variant_new_parsed ("@a(ayay) [(b'i', b'k')]"));
  row.about = g_variant_ref_sink (g_variant_new_parsed ("{'name': <'Notes'>}"));
  g_assert_true (moss_state_add_snapshot (state, &row, NULL));
  row.snapshot = (char *) "b";
  g_assert_true (moss_state_add_snapshot (state, &row, NULL));
  rows = moss_state_snapshots (state, "s");
  g_assert_cmpuint (rows->len, ==, 2);
  g_assert_cmpstr (((MossSnapshotRow *) rows->pdata[0])->snapshot, ==, "b");
  moss_state_delete_snapshot (state, "b");
  found = moss_state_find_snapshot (state, "a");
  g_assert_true (g_variant_equal (found->refs, row.refs));
  g_assert_true (g_variant_equal (found->about, row.about));
  g_assert_null (moss_state_find_snapshot (state, "b"));
  g_variant_unref (row.refs);
  g_variant_unref (row.about);
  moss_state_free (state);
}

static void
test_registry_outlives_a_restart (void)
{
  MossState *state = open_state ();
  MossRegistry *registry = moss_registry_new (state);
  g_autofree char *name = NULL;

  moss_registry_set (registry, "id-1", "name", g_variant_new_string ("Notes"), "progress",
                     g_variant_new_double (0.5), NULL);
  moss_registry_set (registry, "id-2", "state", g_variant_new_string ("running"), NULL);
  moss_registry_remove (registry, "id-2");
  g_object_unref (registry);
  registry = moss_registry_new (state);
  name = moss_registry_get_string (registry, "id-1", "name");
  g_assert_cmpstr (name, ==, "Notes");
  g_assert_false (moss_registry_has (registry, "id-2"));
  {
    g_autoptr (GVariant) progress = moss_registry_get (registry, "id-1", "progress");

    g_assert_cmpfloat (g_variant_get_double (progress), ==, 0);
  }
  g_object_unref (registry);
  moss_state_free (state);
}

static void
count (MossRegistry *registry, const char *id, guint *n)
{
  *n += 1;
}

/* A sandbox is put together field by field: nobody sees it before it has a state. */
static void
test_without_state_it_is_not_shown (void)
{
  MossState *state = open_state ();
  MossRegistry *registry = moss_registry_new (state);
  g_autoptr (GVariant) before = NULL, after = NULL;
  guint n = 0;

  g_signal_connect (registry, "changed", G_CALLBACK (count), &n);
  moss_registry_set (registry, "id-5", "name", g_variant_new_string ("Notes"), NULL);
  while (g_main_context_iteration (NULL, FALSE))
    ;
  before = g_variant_ref_sink (moss_registry_list (registry));
  g_assert_cmpuint (n, ==, 0);
  g_assert_cmpuint (g_variant_n_children (before), ==, 0);
  moss_registry_set (registry, "id-5", "state", g_variant_new_string ("arriving"), NULL);
  while (g_main_context_iteration (NULL, FALSE))
    ;
  after = g_variant_ref_sink (moss_registry_list (registry));
  g_assert_cmpuint (n, ==, 1);
  g_assert_cmpuint (g_variant_n_children (after), ==, 1);
  moss_registry_remove (registry, "id-5");
  g_object_unref (registry);
  moss_state_free (state);
}

/* Many changes at once are one piece of news; the same value again is none. */
static void
test_news_are_gathered (void)
{
  MossState *state = open_state ();
  MossRegistry *registry = moss_registry_new (state);
  guint n = 0;

  g_signal_connect (registry, "changed", G_CALLBACK (count), &n);
  for (guint i = 0; i < 10; i++)
    moss_registry_set (registry, "id-3", "state", g_variant_new_string ("running"), "progress",
                       g_variant_new_double (i), NULL);
  while (g_main_context_iteration (NULL, FALSE))
    ;
  g_assert_cmpuint (n, ==, 1);
  moss_registry_set (registry, "id-3", "progress", g_variant_new_double (9), NULL);
  while (g_main_context_iteration (NULL, FALSE))
    ;
  g_assert_cmpuint (n, ==, 1);
  moss_registry_remove (registry, "id-3");
  g_object_unref (registry);
  moss_state_free (state);
}

static void
test_one_thing_at_a_time (void)
{
  MossState *state = open_state ();
  MossRegistry *registry = moss_registry_new (state);
  g_autoptr (GError) error = NULL;
  g_autoptr (GCancellable) first = moss_registry_claim (registry, "id-4", FALSE, NULL);
  g_autoptr (GCancellable) third = NULL;

  g_assert_null (moss_registry_claim (registry, "id-4", FALSE, &error));
  g_assert_error (error, MOSS_MOVE_ERROR, MOSS_MOVE_ERROR_BUSY);
  g_assert_true (moss_registry_cancel (registry, "id-4"));
  g_assert_true (g_cancellable_is_cancelled (first));
  moss_registry_release (registry, "id-4");
  third = moss_registry_claim (registry, "id-4", FALSE, NULL);
  g_assert_nonnull (third);
  g_assert_false (g_cancellable_is_cancelled (third));
  moss_registry_release (registry, "id-4");
  g_object_unref (registry);
  moss_state_free (state);
}

int
main (int argc, char *argv[])
{
  int status;
  g_autofree char *file = NULL;

  g_test_init (&argc, &argv, NULL);
  directory = g_dir_make_tmp ("moss-state-XXXXXX", NULL);
  g_test_add_func ("/state/newest-move-counts", test_newest_move_counts);
  g_test_add_func ("/state/snapshots", test_snapshots);
  g_test_add_func ("/registry/outlives-a-restart", test_registry_outlives_a_restart);
  g_test_add_func ("/registry/news-are-gathered", test_news_are_gathered);
  g_test_add_func ("/registry/without-state", test_without_state_it_is_not_shown);
  g_test_add_func ("/registry/one-thing-at-a-time", test_one_thing_at_a_time);
  status = g_test_run ();
  file = g_build_filename (directory, "session.db", NULL);
  g_unlink (file);
  g_rmdir (directory);
  return status;
}
