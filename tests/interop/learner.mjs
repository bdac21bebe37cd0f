// Softmax regression: what a client learns with is its own affair.
export class Learner {
  constructor(inputs, classes, weights) {
    this.inputs = inputs;
    this.classes = classes;
    this.weights = weights ?? new Float64Array((inputs + 1) * classes);
  }

  predictRow(x) {
    const scores = Array.from({ length: this.classes }, (_, c) => {
      let sum = this.weights[this.inputs * this.classes + c];
      for (let i = 0; i < this.inputs; i++) sum += x[i] * this.weights[i * this.classes + c];
      return sum;
    });
    const most = Math.max(...scores), powers = scores.map((score) => Math.exp(score - most));
    const total = powers.reduce((a, b) => a + b, 0);
    return powers.map((power) => power / total);
  }

  predict(rows) {
    return rows.map((x) => this.predictRow(x));
  }

  train(rows, targets, epochs, rate = 0.05) {
    for (let epoch = 0; epoch < epochs; epoch++)
      rows.forEach((x, row) => {
        const found = this.predictRow(x);
        for (let c = 0; c < this.classes; c++) {
          const step = rate * (found[c] - targets[row][c]);
          for (let i = 0; i < this.inputs; i++) this.weights[i * this.classes + c] -= step * x[i];
          this.weights[this.inputs * this.classes + c] -= step;
        }
      });
  }
}
