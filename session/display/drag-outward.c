// SPDX-License-Identifier: GPL-3.0-or-later
/* The viewer as the target of an app's drag, and as the source of one over the app. */
#include "display-private.h"

#include <unistd.h>

static MossSource *
app_source (MossDisplay *display)
{
  MossDrag *drag = &display->drag;

  return drag->active && !drag->from_viewer ? drag->source : NULL;
}

void
moss_drag_target (MossDisplay *display, const char *mime_type, uint32_t action)
{
  MossSource *source = app_source (display);

  if (!source || display->drag.focus)
    return;
  wl_data_source_send_target (source->resource, mime_type);
  if (wl_resource_get_version (source->resource) >= WL_DATA_SOURCE_ACTION_SINCE_VERSION)
    wl_data_source_send_action (source->resource, mime_type ? action & source->actions : 0);
}

/* Takes fd. */
void
moss_drag_receive (MossDisplay *display, const char *mime_type, int fd)
{
  MossSource *source = display->handed ? display->handed : app_source (display);

  if (source)
    moss_source_send (source, mime_type, fd);
  else
    close (fd);
}

void
moss_drag_dropped (MossDisplay *display)
{
  MossSource *source = app_source (display);

  if (!source)
    return;
  source->dropped = true;
  if (wl_resource_get_version (source->resource)
      >= WL_DATA_SOURCE_DND_DROP_PERFORMED_SINCE_VERSION)
    wl_data_source_send_dnd_drop_performed (source->resource);
  moss_drag_end (display, false);
  display->handed = source;
}

void
moss_drag_outside_finished (MossDisplay *display, uint32_t action)
{
  MossSource *source = display->handed;

  display->handed = NULL;
  if (!source)
    return;
  if (!action)
    moss_source_cancel (source);
  else if (wl_resource_get_version (source->resource)
           >= WL_DATA_SOURCE_DND_FINISHED_SINCE_VERSION)
    {
      wl_data_source_send_action (source->resource, action & source->actions);
      wl_data_source_send_dnd_finished (source->resource);
    }
}

void
moss_drag_cancel (MossDisplay *display)
{
  if (app_source (display) || (display->drag.active && !display->drag.from_viewer))
    moss_drag_end (display, true);
  else
    moss_drag_outside_finished (display, 0);
}

/* ---- over the app -------------------------------------------------------------------- */

/* Takes mime_types. */
void
moss_drop_enter (MossDisplay *display,
                 MossSurface *root,
                 double x,
                 double y,
                 uint32_t actions,
                 char **mime_types)
{
  MossSource *source;

  moss_drop_leave (display);
  if (display->drag.active || !(source = moss_source_new (display, NULL, false)))
    {
      moss_wire_free_strings (mime_types);
      return;
    }
  for (char **m = mime_types; m && *m; m++)
    moss_source_offer (source, *m);
  moss_wire_free_strings (mime_types);
  source->actions = actions;
  source->used = true;
  moss_pointer_leave (display);
  display->drag = (MossDrag){ .active = true, .from_viewer = true, .source = source };
  moss_drop_motion (display, root, x, y, moss_now_ms ());
}

void
moss_drop_motion (MossDisplay *display, MossSurface *root, double x, double y, uint32_t time)
{
  MossSurface *target;

  if (!display->drag.active || !display->drag.from_viewer)
    return;
  target = moss_surface_pick (root, &x, &y);
  moss_drag_motion (display, target, x, y, time);
}

void
moss_drop_leave (MossDisplay *display)
{
  if (display->drag.active && display->drag.from_viewer)
    moss_drag_end (display, true);
}

void
moss_drop_drop (MossDisplay *display)
{
  if (display->drag.active && display->drag.from_viewer)
    moss_drag_drop (display);
}
