import js from "@eslint/js";

// tsc knows all names of the browser, so no list of globals is needed here.
export default [
  js.configs.recommended,
  {
    rules: {
      "no-undef": "off",
      complexity: ["error", 10],
      curly: ["error", "multi-line"],
      eqeqeq: "error",
      "max-lines": ["error", 500],
      "max-lines-per-function": ["error", 50],
      "max-len": ["error", 110],
      "no-console": "error",
      "no-eval": "error",
      "no-implied-eval": "error",
      "no-restricted-properties": [
        "error",
        { property: "innerHTML", message: "Build elements: text from outside is no markup." },
        { property: "outerHTML", message: "Build elements: text from outside is no markup." },
      ],
      "no-var": "error",
      "object-shorthand": "error",
      "prefer-const": "error",
      "prefer-template": "error",
    },
  },
];
