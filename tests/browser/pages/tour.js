// Leading an OpenSeadragon viewer, of whatever version and in whatever host, through an image.
"use strict";

const tour = {
  viewer: null, // each page says how to find it

  // A level is asked for while its pixels are shown at half their size or larger.
  SHOWN_AT: 0.6,

  get image() {
    return tour.viewer.world.getItemAt(0);
  },

  // Tell whether the viewer shows the image of a service, and it alone.
  shows(service) {
    const world = tour.viewer?.world;
    if (world?.getItemCount() !== 1) return false;
    const { source } = tour.image;
    return (source["@id"] ?? source.id) === service;
  },

  thumbnails(part) {
    return [...document.querySelectorAll(`img[src*="${part}"]`)];
  },

  // Tell whether there are at least so many thumbnails with a part in their address, loaded or failed.
  settledThumbnails({ part, count }) {
    const thumbnails = tour.thumbnails(part);
    return thumbnails.length >= count && thumbnails.every((img) => img.complete);
  },

  // Return the addresses of thumbnails that show nothing.
  brokenThumbnails(part) {
    const broken = tour.thumbnails(part).filter((img) => img.naturalWidth === 0);
    return broken.map((img) => img.src);
  },

  // Resolve when all tiles of the present view are there. Whether they are is known after a redraw.
  async settled() {
    const { viewer, image } = tour;
    await within("redraw", (resolve) => {
      viewer.addOnceHandler("update-viewport", resolve);
      viewer.forceRedraw();
    });
    while (!image.getFullyLoaded()) {
      await within("load all tiles", (resolve) => {
        image.addOnceHandler("fully-loaded-change", resolve);
      });
    }
  },

  async show(x, y, scale) {
    const viewport = tour.viewer.viewport;
    const image = tour.image;
    viewport.zoomTo(image.imageToViewportZoom(scale), null, true);
    viewport.panTo(image.imageToViewportCoordinates(x, y), true);
    await tour.settled();
  },

  async home() {
    tour.viewer.viewport.goHome(true);
    await tour.settled();
  },

  // Show all of a level, a viewport at a time; return how many it took.
  async level(scaleFactor) {
    const scale = tour.SHOWN_AT / scaleFactor;
    const { x: width, y: height } = tour.image.getContentSize();
    const { x: wide, y: high } = tour.viewer.viewport.getContainerSize();
    let stops = 0;
    for (const y of middles(height, high / scale)) {
      for (const x of middles(width, wide / scale)) {
        await tour.show(x, y, scale);
        stops += 1;
      }
    }
    return stops;
  },

  // Show the middle at full size, and so that the image fills part of the view at least.
  async close() {
    const { x: width, y: height } = tour.image.getContentSize();
    await tour.show(width / 2, height / 2, Math.max(1, 300 / Math.min(width, height)));
  },

  // Return points around the viewer's middle that lie well inside the image: where they are on the
  // page and in the image, both in pixels.
  places() {
    const { viewer, image } = tour;
    const box = viewer.element.getBoundingClientRect();
    const { x: width, y: height } = image.getContentSize();
    const edge = 2 / image.viewportToImageZoom(viewer.viewport.getZoom(true));
    const found = [];
    for (const right of FROM_MIDDLE) {
      for (const down of FROM_MIDDLE) {
        const point = viewer.viewport.getCenter(); // a Point of the viewer's own OpenSeadragon
        point.x = box.width / 2 + right;
        point.y = box.height / 2 + down;
        const { x, y } = image.viewerElementToImageCoordinates(point);
        if (x >= edge && y >= edge && x <= width - edge && y <= height - edge) {
          found.push({ left: box.left + point.x, top: box.top + point.y, x, y });
        }
      }
    }
    return found;
  },
};

const FROM_MIDDLE = [-120, -40, 0, 40, 120];

const PATIENCE_MS = 60_000;

// Wait for something, but not for ever.
function within(what, start) {
  return new Promise((resolve, reject) => {
    const late = setTimeout(() => reject(new Error(`it does not ${what}`)), PATIENCE_MS);
    start(() => {
      clearTimeout(late);
      resolve();
    });
  });
}

// Cut a length into equal parts not longer than `most`; return their middles.
function middles(length, most) {
  const count = Math.ceil(length / most);
  return Array.from({ length: count }, (_, index) => ((index + 0.5) * length) / count);
}
