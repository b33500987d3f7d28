// SPDX-License-Identifier: GPL-3.0-or-later
/* The keyboard. The keymap is the viewer's, compiled here once: that checks it and lets
 * the display follow modifiers from key events alone. Clients get it as a sealed memfd. */
#include "display-private.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#define for_each_of(item, surface, list)                                                  \
  wl_resource_for_each (item, list)                                                       \
    if (wl_resource_get_client (item) == wl_resource_get_client ((surface)->resource))

/* ---- keymap -------------------------------------------------------------------------- */

static int
sealed_copy (const char *text, size_t size)
{
  int fd = memfd_create ("moss-keymap", MFD_CLOEXEC | MFD_ALLOW_SEALING);

  if (fd < 0)
    return -1;
  for (size_t done = 0; done < size;)
    {
      ssize_t n = write (fd, text + done, size - done);

      if (n <= 0)
        {
          close (fd);
          return -1;
        }
      done += n;
    }
  /* Not F_SEAL_WRITE: a client that maps it shared could not be restored, since CRIU maps
   * first and seals afterwards. */
  fcntl (fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_FUTURE_WRITE | F_SEAL_SEAL);
  return fd;
}

static void
send_keymap (MossSeat *seat, struct wl_resource *keyboard)
{
  if (seat->keymap_fd >= 0)
    {
      wl_keyboard_send_keymap (keyboard, WL_KEYBOARD_KEYMAP_FORMAT_XKB_V1, seat->keymap_fd,
                               seat->keymap_size);
      return;
    }
  int nothing = open ("/dev/null", O_RDONLY | O_CLOEXEC);

  if (nothing < 0)
    return;
  wl_keyboard_send_keymap (keyboard, WL_KEYBOARD_KEYMAP_FORMAT_NO_KEYMAP, nothing, 0);
  close (nothing);
}

static void
send_modifiers (MossSeat *seat, struct wl_resource *keyboard, uint32_t serial)
{
  wl_keyboard_send_modifiers (keyboard, serial, seat->depressed, seat->latched,
                              seat->locked, seat->group);
}

static struct xkb_context *
get_context (MossSeat *seat)
{
  if (!seat->xkb)
    {
      seat->xkb = xkb_context_new (XKB_CONTEXT_NO_ENVIRONMENT_NAMES);
      if (seat->xkb)
        xkb_context_set_log_level (seat->xkb, XKB_LOG_LEVEL_CRITICAL);
    }
  return seat->xkb;
}

static bool
use_keymap (MossDisplay *display, struct xkb_keymap *keymap, const char *text, size_t size)
{
  MossSeat *seat = &display->seat;
  struct xkb_state *state = xkb_state_new (keymap);
  int fd = sealed_copy (text, size);
  struct wl_resource *keyboard;

  if (!state || fd < 0)
    {
      if (state)
        xkb_state_unref (state);
      if (fd >= 0)
        close (fd);
      return false;
    }
  if (seat->state)
    xkb_state_unref (seat->state);
  if (seat->keymap)
    xkb_keymap_unref (seat->keymap);
  if (seat->keymap_fd >= 0)
    close (seat->keymap_fd);
  seat->keymap = xkb_keymap_ref (keymap);
  seat->state = state;
  seat->keymap_fd = fd;
  seat->keymap_size = size;
  seat->depressed = seat->latched = seat->locked = seat->group = 0;
  wl_resource_for_each (keyboard, &seat->keyboards)
    send_keymap (seat, keyboard);
  if (seat->keyboard && seat->keyboard->resource)
    for_each_of (keyboard, seat->keyboard, &seat->keyboards)
      send_modifiers (seat, keyboard, moss_display_serial (display));
  return true;
}

/* The text need not be terminated. What clients get ends with a zero, which counts. */
bool
moss_keyboard_set_keymap (MossDisplay *display, const char *text, size_t size)
{
  struct xkb_context *context = get_context (&display->seat);
  struct xkb_keymap *keymap;
  char *copy;
  bool good = false;

  while (size && !text[size - 1])
    size--;
  if (!context || !size || size > MOSS_WIRE_MAX_KEYMAP || memchr (text, 0, size))
    return false;
  copy = strndup (text, size);
  keymap = copy ? xkb_keymap_new_from_string (context, copy, XKB_KEYMAP_FORMAT_TEXT_V1, 0)
                : NULL;
  if (keymap)
    {
      good = use_keymap (display, keymap, copy, size + 1);
      xkb_keymap_unref (keymap);
    }
  free (copy);
  return good;
}

/* Before any viewer said what it has: the plain layout, when its files are there. */
static void
ensure_keymap (MossDisplay *display)
{
  struct xkb_context *context;
  struct xkb_keymap *keymap;
  char *text;

  if (display->seat.keymap_fd >= 0 || !(context = get_context (&display->seat)))
    return;
  keymap = xkb_keymap_new_from_names (context, NULL, 0);
  if (!keymap)
    return;
  text = xkb_keymap_get_as_string (keymap, XKB_KEYMAP_FORMAT_TEXT_V1);
  if (text)
    use_keymap (display, keymap, text, strlen (text) + 1);
  free (text);
  xkb_keymap_unref (keymap);
}

/* ---- keys ---------------------------------------------------------------------------- */

static void
update_modifiers (MossDisplay *display)
{
  MossSeat *seat = &display->seat;
  uint32_t depressed, latched, locked, group;
  struct wl_resource *keyboard;

  if (!seat->state)
    return;
  depressed = xkb_state_serialize_mods (seat->state, XKB_STATE_MODS_DEPRESSED);
  latched = xkb_state_serialize_mods (seat->state, XKB_STATE_MODS_LATCHED);
  locked = xkb_state_serialize_mods (seat->state, XKB_STATE_MODS_LOCKED);
  group = xkb_state_serialize_layout (seat->state, XKB_STATE_LAYOUT_EFFECTIVE);
  if (depressed == seat->depressed && latched == seat->latched && locked == seat->locked
      && group == seat->group)
    return;
  seat->depressed = depressed;
  seat->latched = latched;
  seat->locked = locked;
  seat->group = group;
  if (seat->keyboard && seat->keyboard->resource)
    for_each_of (keyboard, seat->keyboard, &seat->keyboards)
      send_modifiers (seat, keyboard, moss_display_serial (display));
}

void
moss_keyboard_modifiers (MossDisplay *display,
                         uint32_t depressed,
                         uint32_t latched,
                         uint32_t locked,
                         uint32_t group)
{
  if (!display->seat.state)
    return;
  xkb_state_update_mask (display->seat.state, depressed, latched, locked, 0, 0, group);
  update_modifiers (display);
}

static bool
track_key (MossSeat *seat, uint32_t key, bool pressed)
{
  for (unsigned i = 0; i < seat->n_keys; i++)
    if (seat->keys[i] == key)
      {
        if (pressed)
          return false;
        seat->keys[i] = seat->keys[--seat->n_keys];
        return true;
      }
  if (!pressed || seat->n_keys == MOSS_MAX_KEYS)
    return false;
  seat->keys[seat->n_keys++] = key;
  return true;
}

void
moss_keyboard_key (MossDisplay *display, uint32_t key, bool pressed, uint32_t time)
{
  MossSeat *seat = &display->seat;
  struct wl_resource *keyboard;

  if (key > 767 || !track_key (seat, key, pressed))
    return;
  if (seat->keyboard && seat->keyboard->resource)
    {
      seat->key_serial = moss_display_serial (display);
      for_each_of (keyboard, seat->keyboard, &seat->keyboards)
        wl_keyboard_send_key (keyboard, seat->key_serial, time, key,
                              pressed ? WL_KEYBOARD_KEY_STATE_PRESSED
                                      : WL_KEYBOARD_KEY_STATE_RELEASED);
    }
  if (seat->state)
    xkb_state_update_key (seat->state, key + 8, pressed ? XKB_KEY_DOWN : XKB_KEY_UP);
  update_modifiers (display);
}

void
moss_keyboard_release_all (MossDisplay *display)
{
  MossSeat *seat = &display->seat;

  while (seat->n_keys)
    moss_keyboard_key (display, seat->keys[0], false, moss_now_ms ());
}

/* ---- focus --------------------------------------------------------------------------- */

static void
on_focus_destroyed (struct wl_listener *listener, void *data)
{
  MossSurface *surface = data;

  wl_list_remove (&listener->link);
  surface->display->seat.keyboard = NULL;
}

static void
send_enter (MossDisplay *display, struct wl_resource *keyboard)
{
  MossSeat *seat = &display->seat;
  struct wl_array keys = { seat->n_keys * sizeof *seat->keys, sizeof seat->keys,
                           seat->keys };
  uint32_t serial = moss_display_serial (display);

  wl_keyboard_send_enter (keyboard, serial, seat->keyboard->resource, &keys);
  send_modifiers (seat, keyboard, serial);
}

static void
leave (MossDisplay *display)
{
  MossSeat *seat = &display->seat;
  struct wl_resource *keyboard;

  if (!seat->keyboard)
    return;
  if (seat->keyboard->resource)
    {
      uint32_t serial = moss_display_serial (display);

      for_each_of (keyboard, seat->keyboard, &seat->keyboards)
        wl_keyboard_send_leave (keyboard, serial, seat->keyboard->resource);
    }
  wl_list_remove (&seat->keyboard_destroyed.link);
  seat->keyboard = NULL;
}

static void
set_focus (MossDisplay *display, MossSurface *surface)
{
  MossSeat *seat = &display->seat;
  struct wl_client *before = seat->keyboard && seat->keyboard->resource
                                 ? wl_resource_get_client (seat->keyboard->resource)
                                 : NULL;
  struct wl_client *after = surface ? wl_resource_get_client (surface->resource) : NULL;
  struct wl_resource *keyboard;

  if (seat->keyboard == surface)
    return;
  moss_text_input_focus (display, NULL);
  leave (display);
  if (!surface)
    {
      moss_constraint_update (display);
      return;
    }
  if (after != before)
    moss_selection_focus (display, after);
  seat->keyboard = surface;
  seat->keyboard_destroyed.notify = on_focus_destroyed;
  wl_signal_add (&surface->destroyed, &seat->keyboard_destroyed);
  for_each_of (keyboard, surface, &seat->keyboards)
    send_enter (display, keyboard);
  moss_text_input_focus (display, surface);
  moss_constraint_update (display);
}

/* What the viewer wants, unless one of our popups has grabbed the keyboard. */
void
moss_keyboard_update_focus (MossDisplay *display)
{
  MossSurface *wanted = display->seat.wanted;
  MossSurface *grabbing = moss_popup_grabbing_keys (display);

  if (wanted && grabbing && grabbing->resource)
    wanted = grabbing;
  if (wanted && (!wanted->resource || !wanted->mapped))
    wanted = NULL;
  set_focus (display, wanted);
}

static void
on_wanted_destroyed (struct wl_listener *listener, void *data)
{
  MossSurface *surface = data;

  wl_list_remove (&listener->link);
  surface->display->seat.wanted = NULL;
}

void
moss_keyboard_want_focus (MossDisplay *display, MossSurface *surface)
{
  MossSeat *seat = &display->seat;

  if (seat->wanted != surface)
    {
      if (seat->wanted)
        wl_list_remove (&seat->wanted_destroyed.link);
      seat->wanted = surface;
      if (surface)
        {
          seat->wanted_destroyed.notify = on_wanted_destroyed;
          wl_signal_add (&surface->destroyed, &seat->wanted_destroyed);
        }
    }
  moss_keyboard_update_focus (display);
}

/* ---- life ---------------------------------------------------------------------------- */

void
moss_keyboard_repeat (MossDisplay *display, uint32_t rate, uint32_t delay)
{
  MossSeat *seat = &display->seat;
  struct wl_resource *keyboard;

  seat->repeat_rate = rate > 1000 ? 1000 : rate;
  seat->repeat_delay = delay > 60000 ? 60000 : delay;
  wl_resource_for_each (keyboard, &seat->keyboards)
    if (wl_resource_get_version (keyboard) >= WL_KEYBOARD_REPEAT_INFO_SINCE_VERSION)
      wl_keyboard_send_repeat_info (keyboard, seat->repeat_rate, seat->repeat_delay);
}

static const struct wl_keyboard_interface keyboard_implementation = {
  .release = moss_resource_destroy_request,
};

void
moss_keyboard_create (struct wl_client *client, struct wl_resource *seat, uint32_t id)
{
  MossDisplay *display = wl_resource_get_user_data (seat);
  MossSurface *focus = display->seat.keyboard;
  struct wl_resource *keyboard
      = moss_resource (client, &wl_keyboard_interface, wl_resource_get_version (seat), id,
                       &keyboard_implementation, display, moss_resource_unlink);

  if (!keyboard)
    return;
  ensure_keymap (display);
  wl_list_insert (&display->seat.keyboards, wl_resource_get_link (keyboard));
  send_keymap (&display->seat, keyboard);
  if (wl_resource_get_version (keyboard) >= WL_KEYBOARD_REPEAT_INFO_SINCE_VERSION)
    wl_keyboard_send_repeat_info (keyboard, display->seat.repeat_rate,
                                  display->seat.repeat_delay);
  if (focus && focus->resource && wl_resource_get_client (focus->resource) == client)
    send_enter (display, keyboard);
}
