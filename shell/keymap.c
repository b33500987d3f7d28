// SPDX-License-Identifier: GPL-3.0-or-later
#define G_LOG_DOMAIN "moss-keymap"

#include "keymap.h"

#include <gdk/wayland/gdkwayland.h>
#include <gdk/x11/gdkx.h>
#include <stdlib.h>
#include <xkbcommon/xkbcommon-x11.h>
#include <xkbcommon/xkbcommon.h>

/* MossKeymap: the keyboard layout of the host as XKB text, for the apps: from the X server,
   from the Wayland compositor, or else from the XKB_DEFAULT_* environment. Dead keys and
   compose sequences follow from it inside the apps. Emits "changed". */

#define REPEAT_RATE 30
#define REPEAT_DELAY_MS 400

struct _MossKeymap
{
  GObject parent_instance;

  GdkDisplay *display;
  char *text; /* NULL: names from the environment */
};

enum { CHANGED, N_SIGNALS };
static guint signals[N_SIGNALS];

G_DEFINE_FINAL_TYPE (MossKeymap, moss_keymap, G_TYPE_OBJECT)

static char *
read_from_x11_connection (xcb_connection_t *connection)
{
  struct xkb_context *context = xkb_context_new (XKB_CONTEXT_NO_FLAGS);
  struct xkb_keymap *keymap = NULL;
  char *text = NULL;
  int device;

  if (xkb_x11_setup_xkb_extension (connection, XKB_X11_MIN_MAJOR_XKB_VERSION,
                                   XKB_X11_MIN_MINOR_XKB_VERSION,
                                   XKB_X11_SETUP_XKB_EXTENSION_NO_FLAGS, NULL, NULL, NULL,
                                   NULL))
    {
      device = xkb_x11_get_core_keyboard_device_id (connection);
      if (device >= 0 && context != NULL)
        keymap = xkb_x11_keymap_new_from_device (context, connection, device,
                                                 XKB_KEYMAP_COMPILE_NO_FLAGS);
    }
  if (keymap != NULL)
    text = xkb_keymap_get_as_string (keymap, XKB_KEYMAP_FORMAT_TEXT_V1);
  xkb_keymap_unref (keymap);
  xkb_context_unref (context);
  return text;
}

static char *
read_from_x11 (GdkDisplay *display)
{
  xcb_connection_t *connection = xcb_connect (gdk_display_get_name (display), NULL);
  char *text = NULL;

  if (!xcb_connection_has_error (connection))
    text = read_from_x11_connection (connection);
  xcb_disconnect (connection);
  return text;
}

static GdkDevice *
get_keyboard (GdkDisplay *display)
{
  GdkSeat *seat = gdk_display_get_default_seat (display);

  return seat != NULL ? gdk_seat_get_keyboard (seat) : NULL;
}

static char *
read_from_wayland (GdkDisplay *display)
{
  GdkDevice *keyboard = get_keyboard (display);
  struct xkb_keymap *keymap;

  if (keyboard == NULL)
    return NULL;
  keymap = gdk_wayland_device_get_xkb_keymap (keyboard);
  return keymap != NULL ? xkb_keymap_get_as_string (keymap, XKB_KEYMAP_FORMAT_TEXT_V1)
                        : NULL;
}

static void
read_keymap (MossKeymap *self)
{
  g_clear_pointer (&self->text, free);
  if (GDK_IS_X11_DISPLAY (self->display))
    self->text = read_from_x11 (self->display);
  else if (GDK_IS_WAYLAND_DISPLAY (self->display))
    self->text = read_from_wayland (self->display);
}

static void
on_keyboard_changed (MossKeymap *self)
{
  g_autofree char *before = g_strdup (self->text);

  read_keymap (self);
  if (g_strcmp0 (before, self->text) != 0)
    g_signal_emit (self, signals[CHANGED], 0);
}

/* (nullable): XKB text; NULL when the host would not say. */
const char *
moss_keymap_get_text (MossKeymap *self)
{
  return self->text;
}

static gboolean
has_touch_screen (void)
{
  GdkDisplay *display = gdk_display_get_default ();
  GdkSeat *seat = display != NULL ? gdk_display_get_default_seat (display) : NULL;

  return seat != NULL && (gdk_seat_get_capabilities (seat) & GDK_SEAT_CAPABILITY_TOUCH);
}

/* Says to the apps of one display what there is to type and touch with: layout, repeat, screen. */
void
moss_keymap_apply (MossKeymap *self, MossViewer *viewer)
{
  g_autoptr (GError) error = NULL;

  if (self->text == NULL || !moss_viewer_set_keymap (viewer, self->text, &error))
    {
      if (error != NULL)
        g_warning ("the keyboard layout of this desktop: %s", error->message);
      g_clear_error (&error);
      if (!moss_viewer_set_keymap_names (viewer, getenv ("XKB_DEFAULT_RULES"),
                                         getenv ("XKB_DEFAULT_MODEL"),
                                         getenv ("XKB_DEFAULT_LAYOUT"),
                                         getenv ("XKB_DEFAULT_VARIANT"),
                                         getenv ("XKB_DEFAULT_OPTIONS"), &error))
        g_warning ("no keyboard layout: %s", error->message);
    }
  moss_viewer_set_repeat (viewer, REPEAT_RATE, REPEAT_DELAY_MS);
  if (has_touch_screen ())
    moss_viewer_touch_cancel (viewer);
}

static void
moss_keymap_finalize (GObject *object)
{
  free (MOSS_KEYMAP (object)->text);
  G_OBJECT_CLASS (moss_keymap_parent_class)->finalize (object);
}

static void
moss_keymap_class_init (MossKeymapClass *klass)
{
  G_OBJECT_CLASS (klass)->finalize = moss_keymap_finalize;
  signals[CHANGED] = g_signal_new ("changed", MOSS_TYPE_KEYMAP, G_SIGNAL_RUN_LAST, 0, NULL,
                                   NULL, NULL, G_TYPE_NONE, 0);
}

static void
moss_keymap_init (MossKeymap *self)
{
}

MossKeymap *
moss_keymap_new (GdkDisplay *display)
{
  MossKeymap *self = g_object_new (MOSS_TYPE_KEYMAP, NULL);
  GdkDevice *keyboard = get_keyboard (display);

  self->display = display;
  read_keymap (self);
  if (keyboard != NULL)
    g_signal_connect_object (keyboard, "changed", G_CALLBACK (on_keyboard_changed), self,
                             G_CONNECT_SWAPPED);
  return self;
}
