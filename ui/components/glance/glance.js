// Shows the picture of the point of a plot that is pointed at. Plotly draws the plot anew now and then, so whoever
// listens to it looks from time to time whether it is still the same.

const LOOK = 300; // milliseconds

export default function ({ data, parentElement }) {
  const box = parentElement.querySelector(".glance");
  let heard = null;
  const show = (number) => {
    const picture = data.pictures[number];
    if (box.dataset.shown === String(picture ? picture.uri : data.hint)) return;
    box.dataset.shown = String(picture ? picture.uri : data.hint);
    box.replaceChildren(
      picture ? element("div", { class: "place" }, element("img", { src: picture.uri, alt: `${picture.name}: ${picture.words}` })) : element("div", { class: "place bare" }, data.hint),
      element("figcaption", {}, picture ? picture.name : ""),
    );
  };
  const rest = () => show(data.chosen);
  const over = (event) => show(event.points[0].curveNumber - data.skip);
  const listen = () => {
    const plot = document.querySelector(`.st-key-${data.plot} .js-plotly-plot`);
    if (plot === heard || !plot || !plot.on) return;
    heard = plot;
    plot.on("plotly_hover", over);
    plot.on("plotly_unhover", rest);
  };
  rest();
  listen();
  const timer = setInterval(listen, LOOK);
  return () => {
    clearInterval(timer);
    if (heard && heard.removeListener) {
      heard.removeListener("plotly_hover", over);
      heard.removeListener("plotly_unhover", rest);
    }
  };
}
