// SPDX-License-Identifier: GPL-3.0-or-later
#define G_LOG_DOMAIN "moss-keyboard"

#include "keyboard.h"

#include <string.h>

/* MossKeyboard: keys and text for the app whose window has the focus.

   Keys go as hardware codes: the app has the host's keymap and makes dead keys, compose
   sequences and repeats itself, as on any Wayland desktop. Only where a real input method
   runs (not GTK's built-in one, which would turn every key into text) and the app has a
   text field in focus, keys pass through it first. */

#define MAX_KEYS 32

struct _MossKeyboard
{
  GtkWidget *widget;
  MossViewerSurface *surface; /* (unowned) */
  MossViewer *viewer;         /* whose signals are heard, or NULL */
  GtkIMContext *im;
  gboolean im_is_real;
  gboolean focused;
  guint pressed[MAX_KEYS]; /* evdev codes the app knows as down */
  guint n_pressed;
  guint layout; /* the host's, of the last key */
  char *preedit;
  int preedit_cursor;
};

static MossViewer *
get_viewer (MossKeyboard *self)
{
  return self->surface != NULL ? moss_viewer_surface_get_viewer (self->surface) : NULL;
}

static int
find_key (MossKeyboard *self, guint key)
{
  for (guint i = 0; i < self->n_pressed; i++)
    if (self->pressed[i] == key)
      return i;
  return -1;
}

static void
send_locks (MossKeyboard *self, MossViewer *viewer)
{
  GdkSeat *seat = gdk_display_get_default_seat (gtk_widget_get_display (self->widget));
  GdkDevice *device = seat != NULL ? gdk_seat_get_keyboard (seat) : NULL;
  guint locked = 0;

  if (device == NULL)
    return;
  /* The real modifiers of every keymap: Lock is bit 1, Mod2 (NumLock) bit 4. */
  if (gdk_device_get_caps_lock_state (device))
    locked |= 1 << 1;
  if (gdk_device_get_num_lock_state (device))
    locked |= 1 << 4;
  moss_viewer_set_modifiers (viewer, 0, 0, locked, self->layout);
}

static gboolean
im_takes_keys (MossKeyboard *self, MossViewer *viewer)
{
  const MossViewerTextInput *text = moss_viewer_get_text_input (viewer);

  return self->im_is_real && text != NULL && text->enabled;
}

static gboolean
on_key_pressed (GtkEventControllerKey *controller, guint keyval, guint keycode,
                GdkModifierType state, MossKeyboard *self)
{
  GdkEvent *event = gtk_event_controller_get_current_event (GTK_EVENT_CONTROLLER (controller));
  MossViewer *viewer = get_viewer (self);
  guint key = keycode - 8;

  if (viewer == NULL || keycode < 8)
    return FALSE;
  if (im_takes_keys (self, viewer) && gtk_im_context_filter_keypress (self->im, event))
    return TRUE;
  if (find_key (self, key) >= 0)
    return TRUE; /* the host's repeat: the app has its own */
  if (gdk_key_event_get_layout (event) != self->layout)
    {
      self->layout = gdk_key_event_get_layout (event);
      send_locks (self, viewer);
    }
  if (self->n_pressed == MAX_KEYS)
    return TRUE;
  self->pressed[self->n_pressed++] = key;
  moss_viewer_key (viewer, key, TRUE, g_get_monotonic_time ());
  return TRUE;
}

static void
on_key_released (GtkEventControllerKey *controller, guint keyval, guint keycode,
                 GdkModifierType state, MossKeyboard *self)
{
  GdkEvent *event = gtk_event_controller_get_current_event (GTK_EVENT_CONTROLLER (controller));
  MossViewer *viewer = get_viewer (self);
  int index = find_key (self, keycode - 8);

  if (viewer == NULL)
    return;
  if (im_takes_keys (self, viewer))
    gtk_im_context_filter_keypress (self->im, event);
  if (index < 0)
    return;
  self->pressed[index] = self->pressed[--self->n_pressed];
  moss_viewer_key (viewer, keycode - 8, FALSE, g_get_monotonic_time ());
}

/* To whom they were pressed: a key that stays down there could not be pressed again. */
static void
release_all (MossKeyboard *self)
{
  while (self->n_pressed > 0)
    {
      guint key = self->pressed[--self->n_pressed];
      if (self->viewer != NULL)
        moss_viewer_key (self->viewer, key, FALSE, g_get_monotonic_time ());
    }
}

static void
update_im_focus (MossKeyboard *self)
{
  MossViewer *viewer = get_viewer (self);
  const MossViewerTextInput *text = viewer != NULL ? moss_viewer_get_text_input (viewer) : NULL;
  GdkRectangle rect;
  MossViewerRect geometry;

  if (!self->im_is_real)
    return;
  if (!self->focused || text == NULL || !text->enabled)
    {
      gtk_im_context_focus_out (self->im);
      return;
    }
  gtk_im_context_focus_in (self->im);
  moss_viewer_surface_get_geometry (self->surface, &geometry);
  rect = (GdkRectangle){ text->cursor_rect.x - geometry.x, text->cursor_rect.y - geometry.y,
                         text->cursor_rect.width, text->cursor_rect.height };
  gtk_im_context_set_cursor_location (self->im, &rect);
}

static void
on_focus_enter (GtkEventControllerFocus *controller, MossKeyboard *self)
{
  MossViewer *viewer = get_viewer (self);

  self->focused = TRUE;
  if (viewer == NULL)
    return;
  if (moss_viewer_surface_get_role (self->surface) == MOSS_VIEWER_ROLE_TOPLEVEL)
    moss_viewer_set_keyboard_focus (viewer, self->surface);
  send_locks (self, viewer);
  update_im_focus (self);
}

static void
on_focus_leave (GtkEventControllerFocus *controller, MossKeyboard *self)
{
  MossViewer *viewer = get_viewer (self);

  release_all (self);
  self->focused = FALSE;
  update_im_focus (self);
  if (viewer != NULL)
    moss_viewer_set_keyboard_focus (viewer, NULL);
}

static void
on_im_commit (GtkIMContext *im, const char *text, MossKeyboard *self)
{
  MossViewer *viewer = get_viewer (self);

  if (viewer != NULL)
    moss_viewer_text_input (viewer, 0, 0, text, NULL, -1, -1);
}

static void
on_preedit_changed (GtkIMContext *im, MossKeyboard *self)
{
  MossViewer *viewer = get_viewer (self);
  g_autofree char *text = NULL;
  int cursor = 0;
  int offset;

  if (viewer == NULL)
    return;
  gtk_im_context_get_preedit_string (im, &text, NULL, &cursor);
  offset = g_utf8_offset_to_pointer (text, cursor) - text;
  moss_viewer_text_input (viewer, 0, 0, NULL, *text != '\0' ? text : NULL, offset, offset);
}

static gboolean
on_retrieve_surrounding (GtkIMContext *im, MossKeyboard *self)
{
  MossViewer *viewer = get_viewer (self);
  const MossViewerTextInput *text = viewer != NULL ? moss_viewer_get_text_input (viewer) : NULL;

  if (text == NULL || !text->enabled)
    return FALSE;
  gtk_im_context_set_surrounding_with_selection (im, text->surrounding, -1, text->cursor,
                                                 text->anchor);
  return TRUE;
}

static gboolean
on_delete_surrounding (GtkIMContext *im, int offset, int n_chars, MossKeyboard *self)
{
  MossViewer *viewer = get_viewer (self);
  const MossViewerTextInput *text = viewer != NULL ? moss_viewer_get_text_input (viewer) : NULL;
  const char *cursor, *start, *end, *limit;

  if (text == NULL || !text->enabled || offset > 0 || offset + n_chars < 0)
    return FALSE;
  /* From characters around the cursor to bytes before and after it. */
  limit = text->surrounding + strlen (text->surrounding);
  cursor = text->surrounding + MIN (text->cursor, (guint) (limit - text->surrounding));
  for (start = cursor; offset < 0 && start > text->surrounding; offset++, n_chars--)
    start = g_utf8_prev_char (start);
  for (end = cursor; n_chars > 0 && end < limit; n_chars--)
    end = g_utf8_next_char (end);
  moss_viewer_text_input (viewer, cursor - start, end - cursor, NULL, NULL, -1, -1);
  return TRUE;
}

static void
on_text_input_changed (MossViewer *viewer, MossKeyboard *self)
{
  update_im_focus (self);
}

/* surface: (nullable): whose keys these are from now on. */
void
moss_keyboard_set_surface (MossKeyboard *self, MossViewerSurface *surface)
{
  if (self->viewer != NULL)
    g_signal_handlers_disconnect_by_data (self->viewer, self);
  release_all (self);
  self->surface = surface;
  g_set_object (&self->viewer, get_viewer (self));
  if (self->viewer == NULL)
    return;
  g_signal_connect (self->viewer, "text-input-changed", G_CALLBACK (on_text_input_changed),
                    self);
  if (self->focused)
    on_focus_enter (NULL, self);
}

static void
find_input_method (MossKeyboard *self)
{
  const char *id;

  self->im = gtk_im_multicontext_new ();
  gtk_im_context_set_client_widget (self->im, self->widget);
  id = gtk_im_multicontext_get_context_id (GTK_IM_MULTICONTEXT (self->im));
  self->im_is_real = id != NULL && strstr (id, "simple") == NULL &&
                     strstr (id, "none") == NULL;
}

static void
on_realize (GtkWidget *widget, MossKeyboard *self)
{
  find_input_method (self);
  g_signal_connect (self->im, "commit", G_CALLBACK (on_im_commit), self);
  g_signal_connect (self->im, "preedit-changed", G_CALLBACK (on_preedit_changed), self);
  g_signal_connect (self->im, "retrieve-surrounding", G_CALLBACK (on_retrieve_surrounding),
                    self);
  g_signal_connect (self->im, "delete-surrounding", G_CALLBACK (on_delete_surrounding),
                    self);
}

static void
drop_input_method (MossKeyboard *self)
{
  if (self->im == NULL)
    return;
  g_signal_handlers_disconnect_by_data (self->im, self);
  gtk_im_context_set_client_widget (self->im, NULL);
  g_clear_object (&self->im);
  self->im_is_real = FALSE;
}

static void
on_unrealize (GtkWidget *widget, MossKeyboard *self)
{
  drop_input_method (self);
}

void
moss_keyboard_free (MossKeyboard *self)
{
  if (self->viewer != NULL)
    g_signal_handlers_disconnect_by_data (self->viewer, self);
  g_clear_object (&self->viewer);
  g_signal_handlers_disconnect_by_data (self->widget, self);
  drop_input_method (self);
  g_free (self->preedit);
  g_free (self);
}

MossKeyboard *
moss_keyboard_new (GtkWidget *widget)
{
  MossKeyboard *self = g_new0 (MossKeyboard, 1);
  GtkEventController *keys = gtk_event_controller_key_new ();
  GtkEventController *focus = gtk_event_controller_focus_new ();

  self->widget = widget;
  g_signal_connect (keys, "key-pressed", G_CALLBACK (on_key_pressed), self);
  g_signal_connect (keys, "key-released", G_CALLBACK (on_key_released), self);
  gtk_widget_add_controller (widget, keys);
  g_signal_connect (focus, "enter", G_CALLBACK (on_focus_enter), self);
  g_signal_connect (focus, "leave", G_CALLBACK (on_focus_leave), self);
  gtk_widget_add_controller (widget, focus);
  g_signal_connect (widget, "realize", G_CALLBACK (on_realize), self);
  g_signal_connect (widget, "unrealize", G_CALLBACK (on_unrealize), self);
  return self;
}
