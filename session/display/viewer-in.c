// SPDX-License-Identifier: GPL-3.0-or-later
/*
 * What the display says, checked and kept.
 *
 * Policy: the other side is pid 1 of a sandbox and may have been taken over by its app.
 * Numbers are bounded, ids are only looked up, strings are UTF-8 without control
 * characters, fds are used for nothing but pread() of regular memory files. FALSE ends
 * the connection.
 */
#include "viewer-private.h"

#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#define MAX_SIZE 32767
#define MAX_PLACE (1 << 24)
#define FUSE_MAGIC 0x65735546

typedef gboolean (*Handler) (MossViewer *viewer, MossWireMessage *message);

static int
get_int (MossWireMessage *message, int least, int most)
{
  int value = moss_wire_get_i32 (message);

  if (value < least || value > most)
    message->bad = true;
  return value;
}

static guint
get_uint (MossWireMessage *message, guint most)
{
  guint value = moss_wire_get_u32 (message);

  if (value > most)
    message->bad = true;
  return value;
}

/* Titles end up in labels and menus: no line breaks, no direction tricks. */
static char *
dup_label (MossWireMessage *message)
{
  g_autofree char *text = NULL;
  size_t length;
  const char *raw = moss_wire_get_string (message, &length);
  GString *clean;

  if (!raw)
    return NULL;
  text = g_strndup (raw, length);
  clean = g_string_sized_new (length);
  for (const char *p = text; *p; p = g_utf8_next_char (p))
    {
      gunichar c = g_utf8_get_char (p);

      if (!g_unichar_iscntrl (c) && !(c >= 0x202a && c <= 0x202e)
          && !(c >= 0x2066 && c <= 0x2069) && c != 0x2028 && c != 0x2029)
        g_string_append_unichar (clean, c);
    }
  return g_string_free (clean, FALSE);
}

static char *
dup_text (MossWireMessage *message)
{
  size_t length;
  const char *raw = moss_wire_get_string (message, &length);

  return raw ? g_strndup (raw, length) : NULL;
}

/* NULL with *none TRUE: there is no list. */
static char **
dup_types (MossWireMessage *message, bool *none)
{
  char **raw = moss_wire_dup_strings (message, none);
  char **types = raw ? g_strdupv (raw) : NULL;

  moss_wire_free_strings (raw);
  return types;
}

static MossViewerSurface *
get_surface (MossViewer *viewer, guint id, gboolean make)
{
  MossViewerSurface *surface
      = g_hash_table_lookup (viewer->surfaces, GUINT_TO_POINTER (id));

  if (surface || !make || !id || g_hash_table_size (viewer->surfaces) >= MAX_SURFACES)
    return surface;
  surface = moss_viewer_surface_new (viewer, id);
  g_hash_table_insert (viewer->surfaces, GUINT_TO_POINTER (id), surface);
  return surface;
}

/* ---- connection ---------------------------------------------------------------------- */

static gboolean
on_welcome (MossViewer *viewer, MossWireMessage *message)
{
  guint version = moss_wire_get_u32 (message);

  if (!moss_wire_finished (message) || viewer->welcomed || version != MOSS_WIRE_VERSION)
    return FALSE;
  viewer->welcomed = TRUE;
  return TRUE;
}

static gboolean
on_bye (MossViewer *viewer, MossWireMessage *message)
{
  viewer->bye = moss_wire_get_u32 (message);
  return moss_wire_finished (message);
}

static gboolean
on_done (MossViewer *viewer, MossWireMessage *message)
{
  guint serial = moss_wire_get_u32 (message);

  if (!moss_wire_finished (message))
    return FALSE;
  moss_viewer_emit_batch (viewer);
  if (viewer->closed)
    return TRUE;
  moss_wire_begin (viewer->wire, MOSS_WIRE_ACK, 0);
  moss_wire_put_u32 (viewer->wire, serial);
  moss_wire_end (viewer->wire);
  return TRUE;
}

/* ---- pools --------------------------------------------------------------------------- */

static gboolean
is_memory (int fd)
{
  struct stat st;
  struct statfs fs;

  return fstat (fd, &st) == 0 && S_ISREG (st.st_mode) && fstatfs (fd, &fs) == 0
         && (gulong) fs.f_type != FUSE_MAGIC;
}

static gboolean
on_pool (MossViewer *viewer, MossWireMessage *message)
{
  int fd = moss_wire_take_fd (message);
  ViewerPool *pool;

  if (!moss_wire_finished (message) || !message->id || !is_memory (fd)
      || g_hash_table_size (viewer->pools) >= MAX_POOLS)
    {
      if (fd >= 0)
        close (fd);
      return FALSE;
    }
  pool = g_new0 (ViewerPool, 1);
  pool->fd = fd;
  g_hash_table_insert (viewer->pools, GUINT_TO_POINTER (message->id), pool);
  return TRUE;
}

static gboolean
on_pool_gone (MossViewer *viewer, MossWireMessage *message)
{
  g_hash_table_remove (viewer->pools, GUINT_TO_POINTER (message->id));
  return moss_wire_finished (message);
}

/* ---- surfaces ------------------------------------------------------------------------ */

static gboolean
on_surface (MossViewer *viewer, MossWireMessage *message)
{
  guint role = get_uint (message, MOSS_VIEWER_ROLE_DRAG_ICON);
  guint parent = moss_wire_get_u32 (message);
  guint flags = moss_wire_get_u32 (message);
  int x = get_int (message, -MAX_PLACE, MAX_PLACE);
  int y = get_int (message, -MAX_PLACE, MAX_PLACE);
  MossViewerSurface *surface;
  guint visible = MOSS_WIRE_SURFACE_MAPPED | MOSS_WIRE_SURFACE_OPAQUE;

  if (!moss_wire_finished (message) || parent == message->id
      || !(surface = get_surface (viewer, message->id, TRUE)))
    return FALSE;
  if ((surface->flags ^ flags) & visible || surface->x != x || surface->y != y)
    moss_viewer_touch (surface, TOUCHED_COMMIT);
  if ((surface->flags ^ flags) & ~(visible | MOSS_WIRE_SURFACE_WANTS_FRAME)
      || surface->role != role || surface->parent_id != parent)
    moss_viewer_touch (surface, TOUCHED_CHANGED);
  if (flags & ~surface->flags & MOSS_WIRE_SURFACE_WANTS_FRAME)
    moss_viewer_touch (surface, TOUCHED_FRAME);
  surface->role = role;
  surface->parent_id = parent;
  surface->flags = flags;
  surface->x = x;
  surface->y = y;
  return TRUE;
}

static gboolean
on_toplevel (MossViewer *viewer, MossWireMessage *message)
{
  MossViewerSurface *surface = get_surface (viewer, message->id, FALSE);
  guint decorated = get_uint (message, 1);
  guint states = get_uint (message, 255);
  MossViewerRect geometry;
  int limits[4];
  g_autofree char *title = NULL;
  g_autofree char *app_id = NULL;

  geometry.x = get_int (message, -MAX_PLACE, MAX_PLACE);
  geometry.y = get_int (message, -MAX_PLACE, MAX_PLACE);
  geometry.width = get_int (message, 0, G_MAXINT32);
  geometry.height = get_int (message, 0, G_MAXINT32);
  for (guint i = 0; i < 4; i++)
    limits[i] = get_int (message, 0, G_MAXINT32);
  title = dup_label (message);
  app_id = dup_label (message);
  if (!moss_wire_finished (message))
    return FALSE;
  if (!surface)
    return TRUE;
  geometry.width = MIN (geometry.width, MAX_SIZE);
  geometry.height = MIN (geometry.height, MAX_SIZE);
  if (memcmp (&geometry, &surface->geometry, sizeof geometry) != 0)
    moss_viewer_touch (surface, TOUCHED_COMMIT);
  surface->geometry = geometry;
  surface->server_decorated = decorated;
  surface->states = states;
  surface->min_width = MIN (limits[0], MAX_SIZE);
  surface->min_height = MIN (limits[1], MAX_SIZE);
  surface->max_width = MIN (limits[2], MAX_SIZE);
  surface->max_height = MIN (limits[3], MAX_SIZE);
  g_free (surface->title);
  surface->title = g_steal_pointer (&title);
  g_free (surface->app_id);
  surface->app_id = g_steal_pointer (&app_id);
  moss_viewer_touch (surface, TOUCHED_CHANGED);
  return TRUE;
}

static gboolean
on_stack (MossViewer *viewer, MossWireMessage *message)
{
  MossViewerSurface *surface = get_surface (viewer, message->id, FALSE);
  guint n = get_uint (message, MAX_SURFACES);

  if (message->bad)
    return FALSE;
  if (surface)
    g_array_set_size (surface->stack_ids, 0);
  for (guint i = 0; i < n && !message->bad; i++)
    {
      guint id = moss_wire_get_u32 (message);

      if (surface)
        g_array_append_val (surface->stack_ids, id);
    }
  if (!moss_wire_finished (message))
    return FALSE;
  if (surface)
    moss_viewer_touch (surface, TOUCHED_COMMIT);
  return TRUE;
}

static gboolean
on_input_region (MossViewer *viewer, MossWireMessage *message)
{
  MossViewerSurface *surface = get_surface (viewer, message->id, FALSE);
  guint infinite = get_uint (message, 1);
  guint n = get_uint (message, 1024);

  if (message->bad)
    return FALSE;
  if (surface)
    {
      surface->input_infinite = infinite;
      g_array_set_size (surface->input, 0);
    }
  for (guint i = 0; i < n && !message->bad; i++)
    {
      ViewerRegionOp op;

      op.subtract = get_uint (message, 1);
      op.rect.x = moss_wire_get_i32 (message);
      op.rect.y = moss_wire_get_i32 (message);
      op.rect.width = moss_wire_get_i32 (message);
      op.rect.height = moss_wire_get_i32 (message);
      if (surface)
        g_array_append_val (surface->input, op);
    }
  return moss_wire_finished (message);
}

static gboolean
on_surface_gone (MossViewer *viewer, MossWireMessage *message)
{
  if (!moss_wire_finished (message))
    return FALSE;
  moss_viewer_remove_surface (viewer, message->id);
  return TRUE;
}

/* ---- content ------------------------------------------------------------------------- */

static void
read_content (MossWireMessage *message, ViewerContent *content)
{
  guint source = moss_wire_get_u32 (message);

  if (content->kind == MOSS_WIRE_CONTENT_SOLID)
    content->colour = source;
  else
    content->pool_id = source;
  content->offset = get_uint (message, G_MAXINT32);
  content->stride = get_uint (message, G_MAXINT32);
  content->format = get_uint (message, 1);
  content->buffer_width = get_int (message, 1, MAX_SIZE);
  content->buffer_height = get_int (message, 1, MAX_SIZE);
  content->width = get_int (message, 0, MAX_SIZE);
  content->height = get_int (message, 0, MAX_SIZE);
  content->scale = get_int (message, 1, 64);
  content->transform = get_uint (message, 7);
  content->has_source = get_uint (message, 1);
  content->x = moss_wire_get_i32 (message) / 256.0;
  content->y = moss_wire_get_i32 (message) / 256.0;
  content->source_width = moss_wire_get_i32 (message) / 256.0;
  content->source_height = moss_wire_get_i32 (message) / 256.0;
}

static gboolean
is_sound (MossViewer *viewer, const ViewerContent *content)
{
  if (content->kind == MOSS_WIRE_CONTENT_SHM
      && (content->stride < (guint) content->buffer_width * 4
          || !g_hash_table_contains (viewer->pools, GUINT_TO_POINTER (content->pool_id))))
    return FALSE;
  if (content->kind == MOSS_WIRE_CONTENT_SOLID
      && (content->buffer_width != 1 || content->buffer_height != 1))
    return FALSE;
  return !content->has_source
         || (content->x >= 0 && content->y >= 0 && content->source_width > 0
             && content->source_height > 0 && content->x <= MAX_SIZE
             && content->y <= MAX_SIZE && content->source_width <= MAX_SIZE
             && content->source_height <= MAX_SIZE);
}

static void
read_damage (MossWireMessage *message, const ViewerContent *content, MossDamage *damage)
{
  guint n = get_uint (message, MOSS_MAX_RECTS);

  for (guint i = 0; i < n && !message->bad; i++)
    {
      int x = moss_wire_get_i32 (message), y = moss_wire_get_i32 (message);
      int width = moss_wire_get_i32 (message), height = moss_wire_get_i32 (message);

      moss_damage_add (damage, x, y, width, height, content->buffer_width,
                       content->buffer_height);
    }
}

static gboolean
on_content (MossViewer *viewer, MossWireMessage *message)
{
  MossViewerSurface *surface = get_surface (viewer, message->id, FALSE);
  ViewerContent content = { .kind = get_uint (message, MOSS_WIRE_CONTENT_SOLID) };
  MossDamage damage = { 0 };
  gboolean resized;

  if (content.kind != MOSS_WIRE_CONTENT_NONE && !message->bad)
    {
      read_content (message, &content);
      if (!message->bad)
        read_damage (message, &content, &damage);
    }
  if (!moss_wire_finished (message) || !is_sound (viewer, &content))
    return FALSE;
  if (!surface)
    return TRUE;
  resized = content.buffer_width != surface->content.buffer_width
            || content.buffer_height != surface->content.buffer_height;
  surface->content = content;
  if (content.kind == MOSS_WIRE_CONTENT_NONE)
    {
      moss_damage_clear (&surface->damage);
      moss_viewer_surface_drop_pixels (surface);
    }
  else if (resized)
    {
      moss_viewer_surface_drop_pixels (surface);
      moss_damage_all (&surface->damage, content.buffer_width, content.buffer_height);
    }
  else
    moss_viewer_surface_add_damage (surface, &damage);
  moss_viewer_touch (surface, TOUCHED_COMMIT);
  return TRUE;
}

/* ---- what belongs to no surface ------------------------------------------------------ */

static gboolean
on_cursor (MossViewer *viewer, MossWireMessage *message)
{
  guint kind = get_uint (message, MOSS_WIRE_CURSOR_SURFACE);
  int x = get_int (message, -MAX_SIZE, MAX_SIZE);
  int y = get_int (message, -MAX_SIZE, MAX_SIZE);
  g_autofree char *name = dup_label (message);

  if (!moss_wire_finished (message))
    return FALSE;
  g_free (viewer->cursor_name);
  viewer->cursor_name
      = kind == MOSS_WIRE_CURSOR_NAMED ? g_steal_pointer (&name) : NULL;
  viewer->cursor_id = message->id;
  viewer->hot_x = x;
  viewer->hot_y = y;
  viewer->cursor_stale = TRUE;
  return TRUE;
}

static gboolean
on_pointer_held (MossViewer *viewer, MossWireMessage *message)
{
  guint mode = get_uint (message, MOSS_WIRE_POINTER_CONFINED);
  int x = get_int (message, -MAX_PLACE, MAX_PLACE);
  int y = get_int (message, -MAX_PLACE, MAX_PLACE);

  if (!moss_wire_finished (message))
    return FALSE;
  viewer->held_mode = mode;
  viewer->held_id = message->id;
  viewer->held_x = x / 256.0;
  viewer->held_y = y / 256.0;
  viewer->held_stale = TRUE;
  return TRUE;
}

static gboolean
on_selection (MossViewer *viewer, MossWireMessage *message)
{
  guint which = get_uint (message, 1);
  bool none;
  g_auto (GStrv) types = dup_types (message, &none);

  if (!moss_wire_finished (message) || (!types && !none))
    return FALSE;
  if (!types && !viewer->selections[which])
    return TRUE;
  g_strfreev (viewer->selections[which]);
  viewer->selections[which] = g_steal_pointer (&types);
  viewer->selection_stale |= 1u << which;
  return TRUE;
}

static gboolean
on_selection_send (MossViewer *viewer, MossWireMessage *message)
{
  guint which = get_uint (message, 1);
  g_autofree char *type = dup_text (message);
  int fd = moss_wire_take_fd (message);

  if (!moss_wire_finished (message))
    {
      if (fd >= 0)
        close (fd);
      return FALSE;
    }
  moss_viewer_emit_fd (viewer, "selection-requested", which, type, fd);
  return TRUE;
}

static gboolean
on_drag (MossViewer *viewer, MossWireMessage *message)
{
  guint active = get_uint (message, 1);
  guint actions = get_uint (message, 7);
  bool none;
  g_auto (GStrv) types = dup_types (message, &none);

  if (!moss_wire_finished (message) || (!types && !none))
    return FALSE;
  viewer->drag_stale = viewer->drag_stale || active || viewer->drag_active;
  viewer->drag_active = active;
  viewer->drag_actions = actions;
  viewer->drag_icon = message->id;
  g_strfreev (viewer->drag_types);
  viewer->drag_types = active && !types ? g_new0 (char *, 1) : g_steal_pointer (&types);
  return TRUE;
}

static gboolean
on_drop_status (MossViewer *viewer, MossWireMessage *message)
{
  guint action = get_uint (message, 7);
  guint has = get_uint (message, 1);
  g_autofree char *type = dup_text (message);

  if (!moss_wire_finished (message))
    return FALSE;
  g_free (viewer->drop_type);
  viewer->drop_type = has ? g_steal_pointer (&type) : NULL;
  viewer->drop_action = action;
  viewer->drop_stale = TRUE;
  return TRUE;
}

static gboolean
on_drop_send (MossViewer *viewer, MossWireMessage *message)
{
  g_autofree char *type = dup_text (message);
  int fd = moss_wire_take_fd (message);

  if (!moss_wire_finished (message))
    {
      if (fd >= 0)
        close (fd);
      return FALSE;
    }
  moss_viewer_emit_fd (viewer, "drop-requested", -1, type, fd);
  return TRUE;
}

static gboolean
on_drop_finished (MossViewer *viewer, MossWireMessage *message)
{
  guint action = get_uint (message, 7);

  if (!moss_wire_finished (message))
    return FALSE;
  g_signal_emit_by_name (viewer, "drop-finished", action);
  return TRUE;
}

static gboolean
on_text_input (MossViewer *viewer, MossWireMessage *message)
{
  MossViewerTextInput text = { 0 };
  size_t length;
  g_autofree char *surrounding = NULL;

  text.enabled = get_uint (message, 1);
  text.cursor = moss_wire_get_u32 (message);
  text.anchor = moss_wire_get_u32 (message);
  text.hint = moss_wire_get_u32 (message);
  text.purpose = moss_wire_get_u32 (message);
  text.changed_by_method = moss_wire_get_u32 (message) == 0;
  text.cursor_rect.x = moss_wire_get_i32 (message);
  text.cursor_rect.y = moss_wire_get_i32 (message);
  text.cursor_rect.width = moss_wire_get_i32 (message);
  text.cursor_rect.height = moss_wire_get_i32 (message);
  text.surrounding = moss_wire_get_string (message, &length);
  if (!moss_wire_finished (message) || text.cursor > length || text.anchor > length)
    return FALSE;
  surrounding = g_strndup (text.surrounding, length);
  g_free ((char *) viewer->text.surrounding);
  viewer->text = text;
  viewer->text.surrounding = g_steal_pointer (&surrounding);
  viewer->text_stale = TRUE;
  return TRUE;
}

/* ---- wishes -------------------------------------------------------------------------- */

static gboolean
on_request (MossViewer *viewer, MossWireMessage *message)
{
  static const char *const plain[] = { [MOSS_WIRE_REQUEST_MOVE] = "request-move",
                                       [MOSS_WIRE_REQUEST_MINIMIZE] = "request-minimize" };
  static const char *const flag[]
      = { [MOSS_WIRE_REQUEST_MAXIMIZE] = "request-maximize",
          [MOSS_WIRE_REQUEST_FULLSCREEN] = "request-fullscreen",
          [MOSS_WIRE_REQUEST_ACTIVATE] = "request-activate" };
  MossViewerSurface *found = get_surface (viewer, message->id, FALSE);
  g_autoptr (MossViewerSurface) surface = found ? g_object_ref (found) : NULL;
  guint request = moss_wire_get_u32 (message);
  int a = moss_wire_get_i32 (message);
  int b = moss_wire_get_i32 (message);

  if (!moss_wire_finished (message))
    return FALSE;
  if (!surface || !surface->added || surface->role != MOSS_VIEWER_ROLE_TOPLEVEL)
    return TRUE;
  if (request == MOSS_WIRE_REQUEST_RESIZE && a > 0 && a <= 10 && (a & 3) != 3)
    g_signal_emit_by_name (surface, "request-resize", (guint) a);
  else if (request == MOSS_WIRE_REQUEST_MENU && ABS (a) <= MAX_PLACE && ABS (b) <= MAX_PLACE)
    g_signal_emit_by_name (surface, "request-menu", a, b);
  else if (request < G_N_ELEMENTS (plain) && plain[request])
    g_signal_emit_by_name (surface, plain[request]);
  else if (request < G_N_ELEMENTS (flag) && flag[request])
    g_signal_emit_by_name (surface, flag[request], a != 0);
  else
    return FALSE;
  return TRUE;
}

static const struct
{
  guint type;
  Handler handler;
} handlers[] = {
  { MOSS_WIRE_CONTENT, on_content },
  { MOSS_WIRE_SURFACE, on_surface },
  { MOSS_WIRE_DONE, on_done },
  { MOSS_WIRE_WELCOME, on_welcome },
  { MOSS_WIRE_BYE, on_bye },
  { MOSS_WIRE_POOL, on_pool },
  { MOSS_WIRE_POOL_GONE, on_pool_gone },
  { MOSS_WIRE_TOPLEVEL, on_toplevel },
  { MOSS_WIRE_STACK, on_stack },
  { MOSS_WIRE_SURFACE_GONE, on_surface_gone },
  { MOSS_WIRE_INPUT_REGION, on_input_region },
  { MOSS_WIRE_CURSOR, on_cursor },
  { MOSS_WIRE_POINTER_HELD, on_pointer_held },
  { MOSS_WIRE_SELECTION, on_selection },
  { MOSS_WIRE_SELECTION_SEND, on_selection_send },
  { MOSS_WIRE_DRAG, on_drag },
  { MOSS_WIRE_DROP_STATUS, on_drop_status },
  { MOSS_WIRE_DROP_SEND, on_drop_send },
  { MOSS_WIRE_DROP_FINISHED, on_drop_finished },
  { MOSS_WIRE_TEXT_INPUT, on_text_input },
  { MOSS_WIRE_REQUEST, on_request },
};

gboolean
moss_viewer_take_message (MossViewer *viewer, MossWireMessage *message)
{
  if (!viewer->welcomed && message->type != MOSS_WIRE_WELCOME
      && message->type != MOSS_WIRE_BYE)
    return FALSE;
  for (guint i = 0; i < G_N_ELEMENTS (handlers); i++)
    if (handlers[i].type == message->type)
      return handlers[i].handler (viewer, message);
  return FALSE;
}
