// SPDX-License-Identifier: GPL-3.0-or-later
#define G_LOG_DOMAIN "moss-windows"

#include "windows.h"

#include "clipboard.h"
#include "keymap.h"
#include "places.h"

#include <glib/gi18n.h>

/* MossWindows: keeps the workspace in step with the session: connects to the display of
   every sandbox that runs here, makes a frame for each of its windows, keeps the frames of
   a sandbox that is frozen or arriving as still pictures, and tells the session where the
   windows are, so that a shell that is killed finds everything again. */

#define SAVE_DELAY_MS 400
#define RETRY_FIRST_MS 150
#define RETRY_LAST_MS 4000
#define PICTURE_WIDTH 480

struct _MossWindows
{
  GObject parent_instance;

  MossSessionClient *session;
  MossWorkspace *workspace;
  MossClipboard *clipboard;
  MossKeymap *keymap;
  GHashTable *entries; /* sandbox id → Entry */
  GHashTable *expected; /* sandboxes that this person has just started here */
  guint save;
};

typedef struct
{
  MossWindows *windows;
  MossSandbox *sandbox;
  MossViewer *viewer;
  GPtrArray *frames; /* of MossFrame, unowned: the workspace holds them */
  GCancellable *connecting;
  guint retry;
  guint retry_ms;
  gboolean arrived; /* it came from another device: don't take the focus from anybody */
  gboolean described;
  gboolean dirty;
} Entry;

G_DEFINE_FINAL_TYPE (MossWindows, moss_windows, G_TYPE_OBJECT)

static void connect_display (Entry *entry);

/* ---- frames -------------------------------------------------------------------------- */

static MossFrame *
find_frame (Entry *entry, guint id)
{
  for (guint i = 0; i < entry->frames->len; i++)
    {
      MossFrame *frame = g_ptr_array_index (entry->frames, i);

      if (moss_frame_get_id (frame) == id)
        return frame;
    }
  return NULL;
}

static void
drop_frame (Entry *entry, MossFrame *frame)
{
  g_ptr_array_remove (entry->frames, frame);
  moss_workspace_remove (entry->windows->workspace, frame);
}

static void
drop_frames (Entry *entry, gboolean only_still)
{
  for (guint i = entry->frames->len; i > 0; i--)
    {
      MossFrame *frame = g_ptr_array_index (entry->frames, i - 1);

      if (!only_still || moss_frame_get_surface (frame) == NULL)
        drop_frame (entry, frame);
    }
}

static gboolean
restore_place (Entry *entry, MossFrame *frame, guint id)
{
  MossWorkspace *workspace = entry->windows->workspace;
  MossFrameRect area, rect;
  MossPlace place;

  moss_workspace_get_area (workspace, &area);
  if (!moss_places_find (entry->sandbox->geometry, id, area.width, area.height, &place))
    return FALSE;
  rect = place.rect;
  rect.x += area.x;
  rect.y += area.y;
  moss_workspace_place (workspace, frame, &rect);
  moss_frame_set_on_top (frame, place.on_top);
  if (place.state != MOSS_FRAME_NORMAL)
    moss_workspace_set_state (workspace, frame, place.state);
  else if (moss_frame_get_surface (frame) != NULL)
    moss_frame_configure (frame, rect.width, rect.height, FALSE);
  if (place.minimized)
    moss_frame_set_minimized (frame, TRUE);
  return TRUE;
}

static gboolean
takes_focus (Entry *entry)
{
  MossWindows *self = entry->windows;

  if (g_hash_table_contains (self->expected, entry->sandbox->id))
    return TRUE;
  return !entry->arrived || moss_workspace_is_idle (self->workspace);
}

static MossFrame *
make_frame (Entry *entry, MossViewerSurface *surface, guint id)
{
  MossWorkspace *workspace = entry->windows->workspace;
  MossFrame *frame = moss_frame_new (entry->sandbox, id);
  MossViewerRect geometry = { 0, 0, 480, 320 };

  if (surface != NULL)
    {
      moss_frame_set_surface (frame, surface);
      moss_viewer_surface_get_geometry (surface, &geometry);
    }
  moss_frame_rect (frame)->width = MAX (geometry.width, 1);
  moss_frame_rect (frame)->height = MAX (geometry.height, 1);
  g_ptr_array_add (entry->frames, frame);
  moss_workspace_add (workspace, frame, takes_focus (entry));
  if (!restore_place (entry, frame, id))
    moss_workspace_place_new (workspace, frame);
  moss_workspace_settled (workspace, frame);
  return frame;
}

/* ---- the viewer's signals ------------------------------------------------------------ */

static void
on_surface_removed (MossViewerSurface *surface, Entry *entry)
{
  MossFrame *frame = find_frame (entry, moss_viewer_surface_get_id (surface));

  g_signal_handlers_disconnect_by_data (surface, entry);
  if (frame == NULL || moss_frame_get_surface (frame) != surface)
    return;
  /* Whether the window closed or its whole app was frozen shows only afterwards: until
     then the frame keeps its last picture. */
  moss_frame_set_surface (frame, NULL);
  if (entry->viewer != NULL && !moss_viewer_is_closed (entry->viewer))
    drop_frame (entry, frame);
}

static MossFrame *
frame_of_popup (Entry *entry, MossViewerSurface *popup)
{
  MossViewerSurface *at = popup;

  for (guint depth = 0; at != NULL && depth < 32; depth++)
    {
      if (moss_viewer_surface_get_role (at) == MOSS_VIEWER_ROLE_TOPLEVEL)
        return find_frame (entry, moss_viewer_surface_get_id (at));
      at = moss_viewer_surface_get_parent (at);
    }
  return NULL;
}

/* The picture of what was to come becomes the first window that comes. It lay where the
   window was at the other device; where nothing was known, the window decides. */
static MossFrame *
take_placeholder (Entry *entry, MossViewerSurface *surface)
{
  MossFrame *frame = find_frame (entry, 0);
  MossViewerRect geometry;

  if (frame == NULL)
    return NULL;
  moss_frame_set_surface (frame, surface);
  if (restore_place (entry, frame, moss_viewer_surface_get_id (surface)))
    return frame;
  moss_viewer_surface_get_geometry (surface, &geometry);
  if (geometry.width > 0 && geometry.height > 0)
    {
      moss_frame_rect (frame)->width = geometry.width;
      moss_frame_rect (frame)->height = geometry.height;
    }
  moss_workspace_place_new (entry->windows->workspace, frame);
  moss_workspace_settled (entry->windows->workspace, frame);
  return frame;
}

static void
on_surface_added (MossViewer *viewer, MossViewerSurface *surface, Entry *entry)
{
  guint id = moss_viewer_surface_get_id (surface);
  MossFrame *frame;

  if (moss_viewer_surface_get_role (surface) == MOSS_VIEWER_ROLE_POPUP)
    {
      frame = frame_of_popup (entry, surface);
      if (frame != NULL)
        moss_frame_add_popup (frame, surface);
      return;
    }
  if (moss_viewer_surface_get_role (surface) != MOSS_VIEWER_ROLE_TOPLEVEL)
    return;
  g_signal_connect (surface, "removed", G_CALLBACK (on_surface_removed), entry);
  frame = find_frame (entry, id);
  if (frame == NULL)
    frame = take_placeholder (entry, surface);
  if (frame == NULL)
    {
      make_frame (entry, surface, id);
      return;
    }
  if (moss_frame_get_surface (frame) == NULL)
    {
      moss_frame_set_surface (frame, surface);
      moss_frame_configure (frame, moss_frame_rect (frame)->width,
                            moss_frame_rect (frame)->height, FALSE);
    }
  moss_frame_set_progress (frame, -1, NULL);
  moss_frame_set_minimized (frame, moss_frame_get_minimized (frame));
  if (moss_workspace_get_focused (entry->windows->workspace) == frame)
    moss_workspace_focus (entry->windows->workspace, frame);
}

static void
on_ready (MossViewer *viewer, Entry *entry)
{
  entry->retry_ms = RETRY_FIRST_MS;
  drop_frames (entry, TRUE);
}

static gboolean
on_retry (gpointer data)
{
  Entry *entry = data;

  entry->retry = 0;
  connect_display (entry);
  return G_SOURCE_REMOVE;
}

static void
retry_later (Entry *entry)
{
  if (entry->retry != 0 || !moss_sandbox_has_display (entry->sandbox))
    return;
  entry->retry = g_timeout_add (entry->retry_ms, on_retry, entry);
  entry->retry_ms = MIN (entry->retry_ms * 2, RETRY_LAST_MS);
}

static void
drop_viewer (Entry *entry)
{
  if (entry->viewer == NULL)
    return;
  g_signal_handlers_disconnect_by_data (entry->viewer, entry);
  moss_clipboard_remove_viewer (entry->windows->clipboard, entry->viewer);
  moss_viewer_close (entry->viewer);
  g_clear_object (&entry->viewer);
}

static void
on_closed (MossViewer *viewer, GError *reason, Entry *entry)
{
  gboolean ended = g_error_matches (reason, MOSS_VIEWER_ERROR, MOSS_VIEWER_ERROR_CLOSED);

  g_debug ("the display of %s: %s", entry->sandbox->id,
           reason != NULL ? reason->message : "closed");
  drop_viewer (entry);
  if (ended && !moss_sandbox_is_moving (entry->sandbox) &&
      entry->sandbox->state != MOSS_SANDBOX_FROZEN)
    drop_frames (entry, TRUE);
  if (!g_error_matches (reason, MOSS_VIEWER_ERROR, MOSS_VIEWER_ERROR_REPLACED))
    retry_later (entry);
}

static void
tell_output (MossWindows *self, MossViewer *viewer)
{
  GtkWidget *widget = GTK_WIDGET (self->workspace);
  GtkNative *native = gtk_widget_get_native (widget);
  GdkSurface *surface = native != NULL ? gtk_native_get_surface (native) : NULL;
  GdkMonitor *monitor = NULL;
  MossFrameRect area;
  int width_mm = 0, height_mm = 0, refresh = 0;

  if (surface != NULL)
    monitor = gdk_display_get_monitor_at_surface (gtk_widget_get_display (widget), surface);
  if (monitor != NULL)
    {
      width_mm = gdk_monitor_get_width_mm (monitor);
      height_mm = gdk_monitor_get_height_mm (monitor);
      refresh = gdk_monitor_get_refresh_rate (monitor);
    }
  moss_workspace_get_area (self->workspace, &area);
  moss_viewer_set_output (viewer, MAX (gtk_widget_get_width (widget), 1),
                          MAX (gtk_widget_get_height (widget), 1),
                          120 * gtk_widget_get_scale_factor (widget), MAX (refresh, 0),
                          MAX (width_mm, 0), MAX (height_mm, 0));
  moss_viewer_set_work_area (viewer, area.width, area.height - MOSS_FRAME_TITLE_HEIGHT);
}

static void
attach (Entry *entry, int fd)
{
  MossWindows *self = entry->windows;

  entry->viewer = moss_viewer_new (fd);
  g_object_connect (entry->viewer,
                    "signal::surface-added", on_surface_added, entry,
                    "signal::ready", on_ready, entry,
                    "signal::closed", on_closed, entry, NULL);
  tell_output (self, entry->viewer);
  moss_keymap_apply (self->keymap, entry->viewer);
  moss_clipboard_add_viewer (self->clipboard, entry->viewer);
}

/* ---- connecting ---------------------------------------------------------------------- */

static void
on_connect_ready (GObject *source, GAsyncResult *result, gpointer data)
{
  g_autoptr (GVariant) handle = NULL;
  g_autoptr (GUnixFDList) fds = NULL;
  g_autoptr (GError) error = NULL;
  Entry *entry;
  int fd;

  if (!moss_dbus_session1_call_connect_finish (MOSS_DBUS_SESSION1 (source), &handle, &fds,
                                               result, &error))
    {
      if (g_error_matches (error, G_IO_ERROR, G_IO_ERROR_CANCELLED))
        return; /* the entry may be gone */
      entry = data;
      g_debug ("the display of %s: %s", entry->sandbox->id, error->message);
      g_clear_object (&entry->connecting);
      retry_later (entry);
      return;
    }
  entry = data;
  g_clear_object (&entry->connecting);
  fd = fds != NULL ? g_unix_fd_list_get (fds, g_variant_get_handle (handle), &error) : -1;
  if (fd < 0)
    {
      g_warning ("the display of %s came without its socket", entry->sandbox->id);
      return;
    }
  attach (entry, fd);
}

static void
connect_display (Entry *entry)
{
  MossDBusSession1 *proxy = moss_session_client_get_proxy (entry->windows->session);

  if (proxy == NULL || entry->viewer != NULL || entry->connecting != NULL ||
      !moss_sandbox_has_display (entry->sandbox))
    return;
  entry->connecting = g_cancellable_new ();
  moss_dbus_session1_call_connect (proxy, entry->sandbox->id, NULL, entry->connecting,
                                   on_connect_ready, entry);
}

/* ---- pictures ------------------------------------------------------------------------ */

static void
show_arriving (Entry *entry)
{
  g_autoptr (GdkTexture) texture = NULL;
  g_autoptr (GError) error = NULL;
  MossFrame *frame;

  if (entry->sandbox->picture != NULL)
    texture = gdk_texture_new_from_bytes (entry->sandbox->picture, &error);
  if (error != NULL)
    g_warning ("the picture of %s: %s", entry->sandbox->name, error->message);
  frame = find_frame (entry, 0);
  if (frame == NULL && entry->frames->len > 0)
    return; /* it came back while its windows still stand here */
  if (frame == NULL)
    frame = make_frame (entry, NULL, 0);
  else
    restore_place (entry, frame, 0);
  moss_frame_set_picture (frame, texture);
}

static void
on_described (GObject *source, GAsyncResult *result, gpointer data)
{
  g_autoptr (MossSandbox) sandbox = data;
  g_autoptr (GVariant) fields = NULL;

  if (moss_dbus_session1_call_describe_finish (MOSS_DBUS_SESSION1 (source), &fields, result,
                                               NULL))
    moss_sandbox_update (sandbox, fields);
}

static void
describe (Entry *entry)
{
  MossDBusSession1 *proxy = moss_session_client_get_proxy (entry->windows->session);

  if (entry->described || proxy == NULL)
    return;
  entry->described = TRUE;
  moss_dbus_session1_call_describe (proxy, entry->sandbox->id, NULL, on_described,
                                    g_object_ref (entry->sandbox));
}

/* Tells the session what the window looks like now. Done rarely: before a move, when a
   window is put away or left. */
void
moss_windows_save_picture (MossWindows *self, MossFrame *frame)
{
  MossDBusSession1 *proxy = moss_session_client_get_proxy (self->session);
  g_autoptr (GdkTexture) texture = moss_frame_make_picture (frame, PICTURE_WIDTH);
  g_autoptr (GBytes) png = NULL;

  if (proxy == NULL || texture == NULL)
    return;
  png = gdk_texture_save_to_png_bytes (texture);
  /* The generated call takes "ay" for a C string, which a PNG is not. */
  g_dbus_proxy_call (G_DBUS_PROXY (proxy), "SetPicture",
                     g_variant_new ("(s@ay)", moss_frame_get_sandbox (frame)->id,
                                    g_variant_new_from_bytes (G_VARIANT_TYPE_BYTESTRING, png,
                                                              TRUE)),
                     G_DBUS_CALL_FLAGS_NONE, -1, NULL, NULL, NULL);
}

/* ---- following the sandbox ----------------------------------------------------------- */

static void
show_progress (Entry *entry)
{
  MossSandbox *sandbox = entry->sandbox;
  double fraction = moss_sandbox_is_moving (sandbox) ? sandbox->progress : -1;

  for (guint i = 0; i < entry->frames->len; i++)
    moss_frame_set_progress (g_ptr_array_index (entry->frames, i), fraction,
                             sandbox->text);
}

static void
on_sandbox_changed (MossSandbox *sandbox, Entry *entry)
{
  switch (sandbox->state)
    {
    case MOSS_SANDBOX_STARTING:
    case MOSS_SANDBOX_RUNNING:
    case MOSS_SANDBOX_LEAVING:
      entry->described = FALSE;
      connect_display (entry);
      break;
    case MOSS_SANDBOX_ARRIVING:
      entry->arrived = TRUE;
      describe (entry);
      if (sandbox->picture != NULL || sandbox->geometry != NULL)
        show_arriving (entry);
      connect_display (entry);
      break;
    case MOSS_SANDBOX_AWAY:
    case MOSS_SANDBOX_STORED:
    case MOSS_SANDBOX_ENDED:
      drop_viewer (entry);
      drop_frames (entry, FALSE);
      entry->described = FALSE;
      break;
    case MOSS_SANDBOX_FROZEN:
    case MOSS_SANDBOX_ON_ITS_WAY:
    default:
      break;
    }
  show_progress (entry);
}

static void
entry_free (gpointer data)
{
  Entry *entry = data;

  g_signal_handlers_disconnect_by_data (entry->sandbox, entry);
  g_cancellable_cancel (entry->connecting);
  g_clear_object (&entry->connecting);
  g_clear_handle_id (&entry->retry, g_source_remove);
  drop_viewer (entry);
  for (guint i = 0; i < entry->frames->len; i++)
    {
      MossViewerSurface *surface =
          moss_frame_get_surface (g_ptr_array_index (entry->frames, i));
      if (surface != NULL)
        g_signal_handlers_disconnect_by_data (surface, entry);
    }
  drop_frames (entry, FALSE);
  g_ptr_array_unref (entry->frames);
  g_object_unref (entry->sandbox);
  g_free (entry);
}

static void
add_sandbox (MossWindows *self, MossSandbox *sandbox)
{
  Entry *entry = g_new0 (Entry, 1);

  entry->windows = self;
  entry->sandbox = g_object_ref (sandbox);
  entry->frames = g_ptr_array_new ();
  entry->retry_ms = RETRY_FIRST_MS;
  g_hash_table_insert (self->entries, sandbox->id, entry);
  g_signal_connect (sandbox, "changed", G_CALLBACK (on_sandbox_changed), entry);
  on_sandbox_changed (sandbox, entry);
}

static void
on_items_changed (GListModel *model, guint position, guint removed, guint added,
                  MossWindows *self)
{
  GHashTableIter iter;
  Entry *entry;

  if (removed > 0)
    {
      g_hash_table_iter_init (&iter, self->entries);
      while (g_hash_table_iter_next (&iter, NULL, (gpointer *) &entry))
        if (moss_session_client_find (self->session, entry->sandbox->id) == NULL)
          g_hash_table_iter_remove (&iter);
    }
  for (guint i = position; i < position + added; i++)
    {
      g_autoptr (MossSandbox) sandbox = g_list_model_get_item (model, i);

      add_sandbox (self, sandbox);
    }
}

/* ---- what the session shall remember ------------------------------------------------- */

static void
save_entry (MossWindows *self, Entry *entry)
{
  MossDBusSession1 *proxy = moss_session_client_get_proxy (self->session);
  g_autoptr (GArray) places = g_array_new (FALSE, TRUE, sizeof (MossPlace));
  g_autoptr (GPtrArray) frames = moss_workspace_get_frames (self->workspace);
  MossFrameRect area;
  GVariant *packed;

  moss_workspace_get_area (self->workspace, &area);
  for (guint i = 0; i < frames->len; i++)
    {
      MossFrame *frame = g_ptr_array_index (frames, i);
      MossPlace place = { moss_frame_get_id (frame), *moss_frame_normal_rect (frame),
                          moss_frame_get_state (frame), moss_frame_get_minimized (frame),
                          moss_frame_get_on_top (frame) };

      if (moss_frame_get_sandbox (frame) != entry->sandbox || place.id == 0)
        continue;
      place.rect.x -= area.x;
      place.rect.y -= area.y;
      g_array_append_val (places, place);
    }
  if (places->len == 0 || proxy == NULL)
    return;
  packed = moss_places_pack (area.width, area.height, (MossPlace *) places->data,
                             places->len);
  g_clear_pointer (&entry->sandbox->geometry, g_variant_unref);
  entry->sandbox->geometry = g_variant_ref_sink (packed);
  moss_dbus_session1_call_set_geometry (proxy, entry->sandbox->id,
                                        g_variant_new_variant (packed), NULL, NULL, NULL);
}

static gboolean
on_save (gpointer data)
{
  MossWindows *self = data;
  GHashTableIter iter;
  Entry *entry;

  self->save = 0;
  g_hash_table_iter_init (&iter, self->entries);
  while (g_hash_table_iter_next (&iter, NULL, (gpointer *) &entry))
    {
      if (entry->dirty)
        save_entry (self, entry);
      entry->dirty = FALSE;
    }
  return G_SOURCE_REMOVE;
}

static void
on_settled (MossWorkspace *workspace, MossFrame *frame, MossWindows *self)
{
  Entry *entry;

  if (frame == NULL)
    {
      moss_windows_update_output (self);
      return;
    }
  entry = g_hash_table_lookup (self->entries, moss_frame_get_sandbox (frame)->id);
  if (entry == NULL)
    return;
  entry->dirty = TRUE;
  if (self->save == 0)
    self->save = g_timeout_add (SAVE_DELAY_MS, on_save, self);
}

/* ---- for others ---------------------------------------------------------------------- */

/* The workspace has another size or scale. */
void
moss_windows_update_output (MossWindows *self)
{
  GHashTableIter iter;
  Entry *entry;

  g_hash_table_iter_init (&iter, self->entries);
  while (g_hash_table_iter_next (&iter, NULL, (gpointer *) &entry))
    if (entry->viewer != NULL)
      tell_output (self, entry->viewer);
}

/* The host has another keyboard layout. */
void
moss_windows_update_keyboard (MossWindows *self)
{
  GHashTableIter iter;
  Entry *entry;

  g_hash_table_iter_init (&iter, self->entries);
  while (g_hash_table_iter_next (&iter, NULL, (gpointer *) &entry))
    if (entry->viewer != NULL)
      moss_keymap_apply (self->keymap, entry->viewer);
}

/* The person has started this one here and now: its window may take the focus. */
void
moss_windows_expect (MossWindows *self, const char *sandbox)
{
  g_hash_table_add (self->expected, g_strdup (sandbox));
}

/* (transfer none) (nullable): the frontmost window of a sandbox. */
MossFrame *
moss_windows_find (MossWindows *self, const char *sandbox)
{
  g_autoptr (GPtrArray) frames = moss_workspace_get_frames (self->workspace);

  for (guint i = frames->len; i > 0; i--)
    {
      MossFrame *frame = g_ptr_array_index (frames, i - 1);

      if (g_strcmp0 (moss_frame_get_sandbox (frame)->id, sandbox) == 0)
        return frame;
    }
  return NULL;
}

static void
on_keymap_changed (MossWindows *self)
{
  moss_windows_update_keyboard (self);
}

static void
moss_windows_dispose (GObject *object)
{
  MossWindows *self = MOSS_WINDOWS (object);

  g_clear_handle_id (&self->save, g_source_remove);
  g_clear_pointer (&self->entries, g_hash_table_unref);
  g_clear_pointer (&self->expected, g_hash_table_unref);
  g_clear_object (&self->clipboard);
  g_clear_object (&self->keymap);
  g_clear_object (&self->session);
  G_OBJECT_CLASS (moss_windows_parent_class)->dispose (object);
}

static void
moss_windows_class_init (MossWindowsClass *klass)
{
  G_OBJECT_CLASS (klass)->dispose = moss_windows_dispose;
}

static void
moss_windows_init (MossWindows *self)
{
  self->entries = g_hash_table_new_full (g_str_hash, g_str_equal, NULL, entry_free);
  self->expected = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL);
}

/* workspace: (unowned): outlives this. */
MossWindows *
moss_windows_new (MossSessionClient *session, MossWorkspace *workspace)
{
  MossWindows *self = g_object_new (MOSS_TYPE_WINDOWS, NULL);
  GdkDisplay *display = gtk_widget_get_display (GTK_WIDGET (workspace));
  GListModel *sandboxes = moss_session_client_get_sandboxes (session);

  self->session = g_object_ref (session);
  self->workspace = workspace;
  self->clipboard = moss_clipboard_new (display);
  self->keymap = moss_keymap_new (display);
  g_signal_connect_object (self->keymap, "changed", G_CALLBACK (on_keymap_changed), self,
                           G_CONNECT_SWAPPED);
  g_signal_connect_object (workspace, "settled", G_CALLBACK (on_settled), self, 0);
  g_signal_connect_object (sandboxes, "items-changed", G_CALLBACK (on_items_changed), self,
                           0);
  on_items_changed (sandboxes, 0, 0, g_list_model_get_n_items (sandboxes), self);
  return self;
}
