// SPDX-License-Identifier: GPL-3.0-or-later
/* Known pictures, what should become of them, and files made without any of the libraries. */
#pragma once

#include <gio/gio.h>

G_BEGIN_DECLS

typedef struct
{
  guint width, height, channels;
  guint8 *pixels; /* rows end to end */
} Picture;

void picture_clear (Picture *picture);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (Picture, picture_clear)

Picture picture_new (guint width, guint height, guint channels);
Picture picture_crop (const Picture *of, guint left, guint top, guint width, guint height);
Picture picture_shrink (const Picture *of, guint by);
Picture picture_flip (const Picture *of, gboolean horizontal);
Picture picture_turn (const Picture *of);
Picture picture_invert (const Picture *of);
Picture picture_blur (const Picture *of, double sigma);
Picture picture_sharpen (const Picture *of, double sigma, double amount);

/* How far two pictures of one size are apart, in steps of 255; border: pixels left out. */
void picture_compare (const Picture *a, const Picture *b, guint border, double *mean,
                      guint *most);

GBytes *picture_to_png (const Picture *picture);
GBytes *png_with_size (guint width, guint height);

G_END_DECLS
