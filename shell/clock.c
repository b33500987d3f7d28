// SPDX-License-Identifier: GPL-3.0-or-later
#define G_LOG_DOMAIN "moss-clock"

#include "clock.h"

#include <errno.h>
#include <glib-unix.h>
#include <glib/gi18n.h>
#include <string.h>
#include <sys/timerfd.h>
#include <unistd.h>

/* MossClock: hour and day. It wakes once a minute, on the minute, and at once when the
   wall clock is set: a timerfd with TFD_TIMER_CANCEL_ON_SET says so by itself. */

#ifndef TFD_TIMER_CANCEL_ON_SET
#define TFD_TIMER_CANCEL_ON_SET (1 << 1)
#endif

struct _MossClock
{
  GtkWidget parent_instance;

  GtkWidget *time;
  GtkWidget *date;
  int timer;
  guint source;
};

G_DEFINE_FINAL_TYPE (MossClock, moss_clock, GTK_TYPE_WIDGET)

static void
arm (MossClock *self)
{
  gint64 now_s = g_get_real_time () / G_USEC_PER_SEC;
  struct itimerspec spec = { .it_value.tv_sec = now_s - now_s % 60 + 60 };

  timerfd_settime (self->timer, TFD_TIMER_ABSTIME | TFD_TIMER_CANCEL_ON_SET, &spec, NULL);
}

static void
show_now (MossClock *self)
{
  g_autoptr (GDateTime) now = g_date_time_new_now_local ();
  /* Translators: the clock in the dock, see g_date_time_format() */
  g_autofree char *time = g_date_time_format (now, _("%H:%M"));
  /* Translators: the day below the clock */
  g_autofree char *date = g_date_time_format (now, _("%a %-d %b"));

  gtk_label_set_label (GTK_LABEL (self->time), time);
  gtk_label_set_label (GTK_LABEL (self->date), date);
}

static gboolean
on_minute (int fd, GIOCondition condition, gpointer data)
{
  guint64 expirations;

  /* ECANCELED says that the clock was set: the text is stale all the same. */
  if (read (fd, &expirations, sizeof expirations) < 0 && errno == EAGAIN)
    return G_SOURCE_CONTINUE;
  show_now (data);
  arm (data);
  return G_SOURCE_CONTINUE;
}

static void
moss_clock_dispose (GObject *object)
{
  MossClock *self = MOSS_CLOCK (object);

  g_clear_handle_id (&self->source, g_source_remove);
  if (self->timer >= 0)
    close (self->timer);
  self->timer = -1;
  g_clear_pointer (&self->time, gtk_widget_unparent);
  g_clear_pointer (&self->date, gtk_widget_unparent);
  G_OBJECT_CLASS (moss_clock_parent_class)->dispose (object);
}

static void
moss_clock_class_init (MossClockClass *klass)
{
  GtkWidgetClass *widget_class = GTK_WIDGET_CLASS (klass);

  G_OBJECT_CLASS (klass)->dispose = moss_clock_dispose;
  gtk_widget_class_set_layout_manager_type (widget_class, GTK_TYPE_BOX_LAYOUT);
  gtk_widget_class_set_css_name (widget_class, "clock");
}

static void
moss_clock_init (MossClock *self)
{
  GtkLayoutManager *layout = gtk_widget_get_layout_manager (GTK_WIDGET (self));

  gtk_orientable_set_orientation (GTK_ORIENTABLE (layout), GTK_ORIENTATION_VERTICAL);
  gtk_widget_add_css_class (GTK_WIDGET (self), "clock");
  gtk_widget_set_valign (GTK_WIDGET (self), GTK_ALIGN_CENTER);
  self->time = gtk_label_new (NULL);
  gtk_widget_add_css_class (self->time, "time");
  gtk_widget_add_css_class (self->time, "numbers");
  gtk_label_set_xalign (GTK_LABEL (self->time), 1.0);
  gtk_widget_set_parent (self->time, GTK_WIDGET (self));
  self->date = gtk_label_new (NULL);
  gtk_widget_add_css_class (self->date, "small");
  gtk_widget_add_css_class (self->date, "muted");
  gtk_widget_add_css_class (self->date, "numbers");
  gtk_label_set_xalign (GTK_LABEL (self->date), 1.0);
  gtk_widget_set_parent (self->date, GTK_WIDGET (self));

  self->timer = timerfd_create (CLOCK_REALTIME, TFD_CLOEXEC | TFD_NONBLOCK);
  show_now (self);
  if (self->timer < 0)
    {
      g_warning ("the clock stands still: %s", g_strerror (errno));
      return;
    }
  self->source = g_unix_fd_add (self->timer, G_IO_IN, on_minute, self);
  arm (self);
}
