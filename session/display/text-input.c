// SPDX-License-Identifier: GPL-3.0-or-later
/* text_input_v3: the focused text field, as the viewer's input method sees it. */
#include "display-private.h"
#include "text-input-unstable-v3-server-protocol.h"

#define MAX_SURROUNDING 4000

typedef struct
{
  struct wl_list link;
  struct wl_resource *resource;
  MossDisplay *display;
  MossTextState pending, current;
  uint32_t serial; /* commits counted */
  MossSurface *entered;
  struct wl_listener entered_destroyed;
} TextInput;

static void
text_changed (MossDisplay *display)
{
  display->stale |= MOSS_STALE_TEXT;
  moss_display_schedule (display);
}

static void
reset (MossTextState *state)
{
  free (state->surrounding);
  *state = (MossTextState){ 0 };
}

static void
text_enable (struct wl_client *client, struct wl_resource *resource)
{
  TextInput *input = wl_resource_get_user_data (resource);

  reset (&input->pending);
  input->pending.enabled = true;
}

static void
text_disable (struct wl_client *client, struct wl_resource *resource)
{
  TextInput *input = wl_resource_get_user_data (resource);

  reset (&input->pending);
}

static void
text_set_surrounding (struct wl_client *client,
                      struct wl_resource *resource,
                      const char *text,
                      int32_t cursor,
                      int32_t anchor)
{
  TextInput *input = wl_resource_get_user_data (resource);
  size_t n = strnlen (text, MAX_SURROUNDING + 1);

  if (n > MAX_SURROUNDING || cursor < 0 || anchor < 0 || (size_t) cursor > n
      || (size_t) anchor > n || !moss_wire_utf8 (text, n))
    return;
  free (input->pending.surrounding);
  input->pending.surrounding = strdup (text);
  input->pending.cursor = cursor;
  input->pending.anchor = anchor;
}

static void
text_set_cause (struct wl_client *client, struct wl_resource *resource, uint32_t cause)
{
  TextInput *input = wl_resource_get_user_data (resource);

  input->pending.cause = cause;
}

static void
text_set_content (struct wl_client *client,
                  struct wl_resource *resource,
                  uint32_t hint,
                  uint32_t purpose)
{
  TextInput *input = wl_resource_get_user_data (resource);

  input->pending.hint = hint;
  input->pending.purpose = purpose;
}

static void
text_set_rectangle (struct wl_client *client,
                    struct wl_resource *resource,
                    int32_t x,
                    int32_t y,
                    int32_t width,
                    int32_t height)
{
  TextInput *input = wl_resource_get_user_data (resource);

  input->pending.rect = (MossRect){ x, y, width, height };
}

static void
text_commit (struct wl_client *client, struct wl_resource *resource)
{
  TextInput *input = wl_resource_get_user_data (resource);
  char *old = input->current.surrounding;

  input->serial++;
  input->current = input->pending;
  input->current.surrounding
      = input->pending.surrounding ? strdup (input->pending.surrounding) : NULL;
  input->pending.cause = 0;
  free (old);
  if (input->entered)
    text_changed (input->display);
}

static const struct zwp_text_input_v3_interface text_implementation = {
  .destroy = moss_resource_destroy_request,
  .enable = text_enable,
  .disable = text_disable,
  .set_surrounding_text = text_set_surrounding,
  .set_text_change_cause = text_set_cause,
  .set_content_type = text_set_content,
  .set_cursor_rectangle = text_set_rectangle,
  .commit = text_commit,
};

/* ---- focus --------------------------------------------------------------------------- */

static void
leave (TextInput *input)
{
  if (!input->entered)
    return;
  if (input->entered->resource)
    zwp_text_input_v3_send_leave (input->resource, input->entered->resource);
  wl_list_remove (&input->entered_destroyed.link);
  input->entered = NULL;
  reset (&input->current);
  text_changed (input->display);
}

static void
on_entered_destroyed (struct wl_listener *listener, void *data)
{
  TextInput *input = wl_container_of (listener, input, entered_destroyed);

  wl_list_remove (&listener->link);
  input->entered = NULL;
  reset (&input->current);
  text_changed (input->display);
}

static void
enter (TextInput *input, MossSurface *surface)
{
  if (wl_resource_get_client (input->resource)
      != wl_resource_get_client (surface->resource))
    return;
  input->entered = surface;
  input->entered_destroyed.notify = on_entered_destroyed;
  wl_signal_add (&surface->destroyed, &input->entered_destroyed);
  zwp_text_input_v3_send_enter (input->resource, surface->resource);
}

void
moss_text_input_focus (MossDisplay *display, MossSurface *surface)
{
  TextInput *input;

  wl_list_for_each (input, &display->text_inputs, link)
    {
      leave (input);
      if (surface)
        enter (input, surface);
    }
}

static TextInput *
find_active (MossDisplay *display)
{
  TextInput *input;

  wl_list_for_each (input, &display->text_inputs, link)
    if (input->entered && input->current.enabled)
      return input;
  return NULL;
}

/* NULL: no field wants text. */
const MossTextState *
moss_text_input_get (MossDisplay *display)
{
  TextInput *input = find_active (display);

  return input ? &input->current : NULL;
}

void
moss_text_input_event (MossDisplay *display,
                       uint32_t before,
                       uint32_t after,
                       const char *commit,
                       const char *preedit,
                       int32_t begin,
                       int32_t end)
{
  TextInput *input = find_active (display);

  if (!input)
    return;
  zwp_text_input_v3_send_preedit_string (input->resource, preedit, preedit ? begin : 0,
                                         preedit ? end : 0);
  if (before || after)
    zwp_text_input_v3_send_delete_surrounding_text (input->resource, before, after);
  if (commit)
    zwp_text_input_v3_send_commit_string (input->resource, commit);
  zwp_text_input_v3_send_done (input->resource, input->serial);
}

/* ---- life ---------------------------------------------------------------------------- */

static void
text_destroyed (struct wl_resource *resource)
{
  TextInput *input = wl_resource_get_user_data (resource);

  if (input->entered)
    {
      wl_list_remove (&input->entered_destroyed.link);
      text_changed (input->display);
    }
  wl_list_remove (&input->link);
  reset (&input->pending);
  reset (&input->current);
  free (input);
}

static void
get_text_input (struct wl_client *client,
                struct wl_resource *resource,
                uint32_t id,
                struct wl_resource *seat)
{
  MossDisplay *display = wl_resource_get_user_data (resource);
  TextInput *input = calloc (1, sizeof *input);
  MossSurface *focus = display->seat.keyboard;

  if (!input)
    {
      wl_client_post_no_memory (client);
      return;
    }
  input->resource = moss_resource (client, &zwp_text_input_v3_interface, 1, id,
                                   &text_implementation, input, text_destroyed);
  if (!input->resource)
    {
      free (input);
      return;
    }
  input->display = display;
  wl_list_insert (&display->text_inputs, &input->link);
  if (focus && focus->resource)
    enter (input, focus);
}

static const struct zwp_text_input_manager_v3_interface manager_implementation = {
  .destroy = moss_resource_destroy_request,
  .get_text_input = get_text_input,
};

static void
bind_manager (struct wl_client *client, void *data, uint32_t version, uint32_t id)
{
  moss_resource (client, &zwp_text_input_manager_v3_interface, version, id,
                 &manager_implementation, data, NULL);
}

void
moss_text_input_init (MossDisplay *display)
{
  wl_list_init (&display->text_inputs);
  wl_global_create (display->wl, &zwp_text_input_manager_v3_interface, 1, display,
                    bind_manager);
}
