/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What other devices may ask of this session. */
#define G_LOG_DOMAIN "moss-session"

#include "moves.h"
#include "parcel.h"

#include "session/move/move-error.h"

#include <glib/gi18n.h>

#define MAX_REPORT (16u << 10)

typedef GVariant *(*Handler) (MossManager *manager, const char *device, GVariant *body,
                              GError **error);

static GVariant *
empty (void)
{
  return g_variant_new_parsed ("@a{sv} {}");
}

/* The journal's line of a move that this device is a part of. */
static MossMoveRow *
find_move (MossManager *manager, const char *device, GVariant *body, GError **error)
{
  const char *move = "";
  MossMoveRow *row;

  g_variant_lookup (body, "move", "&s", &move);
  row = moss_state_find_move (manager->state, move);
  if (row != NULL && g_str_equal (row->peer, device))
    return row;
  g_clear_pointer (&row, moss_move_row_free);
  g_set_error (error, MOSS_MOVE_ERROR, MOSS_MOVE_ERROR_NOT_FOUND,
               _("The other device knows nothing of this move"));
  return NULL;
}

static GVariant *
on_files (MossManager *manager, const char *device, GVariant *body, GError **error)
{
  g_autoptr (MossMoveRow) row = find_move (manager, device, body, error);
  g_autoptr (GVariant) files = NULL;
  GVariant *differ;

  if (row == NULL)
    return NULL;
  files = g_variant_lookup_value (body, "files", G_VARIANT_TYPE ("a(ayutay)"));
  if (files == NULL)
    return empty ();
  differ = moss_runtime_differing (manager, files, error);
  return differ == NULL ? NULL : g_variant_new_parsed ("{'differ': <%@aay>}", differ);
}

static GVariant *
on_released (MossManager *manager, const char *device, GVariant *body, GError **error)
{
  g_autoptr (MossMoveRow) row = find_move (manager, device, body, error);
  GVariant *answer = NULL;

  if (row == NULL || !moss_move_own (manager, row->move, &answer, error))
    return NULL;
  return answer;
}

/* A move that was never written down here was never released. */
static GVariant *
on_status (MossManager *manager, const char *device, GVariant *body, GError **error)
{
  g_autoptr (MossMoveRow) row = find_move (manager, device, body, NULL);
  const char *state = row == NULL ? "aborted" : moss_move_source_answer (row->state);
  g_autoptr (GVariant) parcel = NULL;

  if (row == NULL || row->envelope == NULL || !g_str_equal (state, "released"))
    return g_variant_new_parsed ("{'state': <%s>}", state);
  parcel = moss_parcel_wrap (manager, row->envelope, device, error);
  return parcel == NULL
             ? NULL
             : g_variant_new_parsed ("{'state': <%s>, 'envelope': <%*>}", state, parcel);
}

static GVariant *
on_abort (MossManager *manager, const char *device, GVariant *body, GError **error)
{
  g_autoptr (MossMoveRow) row = find_move (manager, device, body, NULL);

  if (row == NULL)
    return empty ();
  if (row->state == MOSS_MOVE_ARRIVING) /* what it still waits for need not come any more */
    moss_registry_cancel (manager->registry, row->sandbox);
  moss_move_drop (manager, row->move, MOSS_MOVE_EVENT_ABORTED);
  return empty ();
}

static const char *
get_sandbox (GVariant *body)
{
  const char *id = "";

  g_variant_lookup (body, "id", "&s", &id);
  return id;
}

static GVariant *
on_bring (MossManager *manager, const char *device, GVariant *body, GError **error)
{
  return moss_send (manager, get_sandbox (body), device, error);
}

/* Whom it is on its way to may say that it need not come. */
static GVariant *
on_cancel (MossManager *manager, const char *device, GVariant *body, GError **error)
{
  const char *id = get_sandbox (body);
  g_autoptr (MossMoveRow) row = moss_state_last_move (manager->state, id);

  if (row != NULL && row->state <= MOSS_MOVE_FROZEN && g_str_equal (row->peer, device))
    moss_registry_cancel (manager->registry, id);
  return empty ();
}

static GVariant *
on_picture (MossManager *manager, const char *device, GVariant *body, GError **error)
{
  g_autoptr (GVariant) picture
      = moss_registry_get (manager->registry, get_sandbox (body), "picture");

  return picture == NULL ? empty () : g_variant_new_parsed ("{'picture': <%@ay>}", picture);
}

static GVariant *
on_where (MossManager *manager, const char *device, GVariant *body, GError **error)
{
  return moss_whereabouts_answer (manager, get_sandbox (body));
}

static GVariant *
on_news (MossManager *manager, const char *device, GVariant *body, GError **error)
{
  moss_whereabouts_take (manager, device, body);
  return empty ();
}

/* What the move cost, as the source measured it. */
static GVariant *
on_report (MossManager *manager, const char *device, GVariant *body, GError **error)
{
  g_autoptr (MossMoveRow) row = find_move (manager, device, body, error);
  g_autoptr (GVariant) report = NULL;

  if (row == NULL)
    return NULL;
  report = g_variant_lookup_value (body, "report", G_VARIANT_TYPE_VARDICT);
  if (report != NULL && g_variant_get_size (report) <= MAX_REPORT
      && moss_registry_has (manager->registry, row->sandbox))
    moss_registry_set (manager->registry, row->sandbox, "report", report, NULL);
  return empty ();
}

/* What a pre-flight wants to know of this device. */
static GVariant *
on_check (MossManager *manager, const char *device, GVariant *body, GError **error)
{
  g_autoptr (GVariant) features = moss_manager_features (manager, error);
  GVariantBuilder answer;

  if (features == NULL)
    return NULL;
  g_variant_builder_init (&answer, G_VARIANT_TYPE_VARDICT);
  g_variant_builder_add (&answer, "{sv}", "features", features);
  g_variant_builder_add (&answer, "{sv}", "free-bytes",
                         g_variant_new_uint64 (moss_manager_free_disk_bytes ()));
  g_variant_builder_add (&answer, "{sv}", "net",
                         g_variant_new_boolean (g_atomic_int_get (&manager->apps_have_net)));
  return g_variant_builder_end (&answer);
}

static const struct
{
  const char *method;
  Handler handler;
} handlers[] = {
  { "move.offer", moss_receive_offer },
  { "move.files", on_files },
  { "move.ahead", moss_receive_ahead },
  { "move.manifest", moss_receive_manifest },
  { "move.released", on_released },
  { "move.status", on_status },
  { "move.abort", on_abort },
  { "move.bring", on_bring },
  { "move.cancel", on_cancel },
  { "move.picture", on_picture },
  { "move.check", on_check },
  { "move.report", on_report },
  { "sandbox.where", on_where },
  { "sandbox.news", on_news },
};

GVariant *
moss_peer_handle (MossManager *manager, const char *device, const char *method, GVariant *body,
                  GError **error)
{
  if (g_variant_is_of_type (body, G_VARIANT_TYPE_VARDICT))
    for (guint i = 0; i < G_N_ELEMENTS (handlers); i++)
      if (g_str_equal (handlers[i].method, method))
        return handlers[i].handler (manager, device, body, error);
  g_set_error (error, MOSS_MOVE_ERROR, MOSS_MOVE_ERROR_FAILED,
               _("The other device runs another version of Moss: it does not know “%s”"),
               method);
  return NULL;
}
