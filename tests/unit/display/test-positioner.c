// SPDX-License-Identifier: GPL-3.0-or-later
/* Where popups go: numbers worked out by hand from the text of xdg-shell. */
#include <glib.h>

#include "display-private.h"
#include "xdg-shell-client-protocol.h"

#define ALL_X 0x15 /* slide, flip, resize x */
#define ALL_Y 0x2a

typedef struct
{
  const char *name;
  MossPositioner p;
  MossRect bounds, expected;
} Case;

static const Case cases[] = {
  { "below a menu's title, left edges together",
    { 100, 200, { 10, 20, 30, 10 }, true, XDG_POSITIONER_ANCHOR_BOTTOM_LEFT,
      XDG_POSITIONER_GRAVITY_BOTTOM_RIGHT },
    { 0, 0, 1000, 1000 },
    { 10, 30, 100, 200 } },
  { "in the middle without anchor and gravity",
    { 20, 10, { 0, 0, 100, 100 }, true, 0, 0 },
    { 0, 0, 1000, 1000 },
    { 40, 45, 20, 10 } },
  { "an offset moves it",
    { 20, 10, { 0, 0, 100, 100 }, true, 0, 0, 0, 7, -3 },
    { 0, 0, 1000, 1000 },
    { 47, 42, 20, 10 } },
  { "no adjustment allowed: it may lie outside",
    { 100, 200, { 0, 900, 10, 10 }, true, XDG_POSITIONER_ANCHOR_BOTTOM_LEFT,
      XDG_POSITIONER_GRAVITY_BOTTOM_RIGHT },
    { 0, 0, 1000, 1000 },
    { 0, 910, 100, 200 } },
  { "flips to above",
    { 100, 200, { 0, 900, 10, 10 }, true, XDG_POSITIONER_ANCHOR_BOTTOM_LEFT,
      XDG_POSITIONER_GRAVITY_BOTTOM_RIGHT, ALL_Y },
    { 0, 0, 1000, 1000 },
    { 0, 700, 100, 200 } },
  { "a flip turns the offset round",
    { 100, 200, { 0, 900, 10, 10 }, true, XDG_POSITIONER_ANCHOR_BOTTOM_LEFT,
      XDG_POSITIONER_GRAVITY_BOTTOM_RIGHT, ALL_Y, 0, 5 },
    { 0, 0, 1000, 1000 },
    { 0, 695, 100, 200 } },
  { "no room on either side: slides",
    { 100, 800, { 0, 500, 10, 10 }, true, XDG_POSITIONER_ANCHOR_BOTTOM_LEFT,
      XDG_POSITIONER_GRAVITY_BOTTOM_RIGHT, ALL_Y },
    { 0, 0, 1000, 1000 },
    { 0, 200, 100, 800 } },
  { "larger than everything: made smaller",
    { 100, 2000, { 0, 500, 10, 10 }, true, XDG_POSITIONER_ANCHOR_BOTTOM_LEFT,
      XDG_POSITIONER_GRAVITY_BOTTOM_RIGHT, ALL_Y },
    { 0, 0, 1000, 1000 },
    { 0, 0, 100, 1000 } },
  { "slides in from the right edge",
    { 300, 50, { 900, 0, 50, 20 }, true, XDG_POSITIONER_ANCHOR_BOTTOM_LEFT,
      XDG_POSITIONER_GRAVITY_BOTTOM_RIGHT, 1 },
    { 0, 0, 1000, 1000 },
    { 700, 20, 300, 50 } },
  { "a submenu flips to the left of its parent",
    { 200, 100, { 750, 40, 200, 20 }, true, XDG_POSITIONER_ANCHOR_TOP_RIGHT,
      XDG_POSITIONER_GRAVITY_BOTTOM_RIGHT, ALL_X },
    { 0, 0, 1000, 1000 },
    { 550, 40, 200, 100 } },
  { "bounds need not begin at zero",
    { 100, 100, { -50, -50, 10, 10 }, true, XDG_POSITIONER_ANCHOR_TOP_LEFT,
      XDG_POSITIONER_GRAVITY_TOP_LEFT, ALL_X | ALL_Y },
    { -120, -120, 500, 500 },
    { -40, -40, 100, 100 } },
};

static void
test_case (gconstpointer data)
{
  const Case *c = data;
  MossRect rect = moss_positioner_solve (&c->p, &c->bounds);

  g_assert_cmpint (rect.x, ==, c->expected.x);
  g_assert_cmpint (rect.y, ==, c->expected.y);
  g_assert_cmpint (rect.width, ==, c->expected.width);
  g_assert_cmpint (rect.height, ==, c->expected.height);
}

/* With every adjustment allowed and room enough it is always inside. */
static void
test_always_inside (void)
{
  MossRect bounds = { -100, -50, 800, 600 };

  for (guint i = 0; i < 20000; i++)
    {
      MossPositioner p = { g_random_int_range (1, 800),
                           g_random_int_range (1, 600),
                           { g_random_int_range (-2000, 2000), g_random_int_range (-2000, 2000),
                             g_random_int_range (0, 500), g_random_int_range (0, 500) },
                           true,
                           g_random_int_range (0, 9),
                           g_random_int_range (0, 9),
                           ALL_X | ALL_Y,
                           g_random_int_range (-50, 50),
                           g_random_int_range (-50, 50) };
      MossRect r = moss_positioner_solve (&p, &bounds);

      g_assert_cmpint (r.x, >=, bounds.x);
      g_assert_cmpint (r.y, >=, bounds.y);
      g_assert_cmpint (r.x + r.width, <=, bounds.x + bounds.width);
      g_assert_cmpint (r.y + r.height, <=, bounds.y + bounds.height);
      g_assert_cmpint (r.width, ==, p.width);
    }
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  for (guint i = 0; i < G_N_ELEMENTS (cases); i++)
    {
      g_autofree char *path = g_strdup_printf ("/positioner/%s", cases[i].name);

      g_test_add_data_func (path, &cases[i], test_case);
    }
  g_test_add_func ("/positioner/always-inside", test_always_inside);
  return g_test_run ();
}
