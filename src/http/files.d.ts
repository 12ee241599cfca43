/** Where a file lies that is imported `with { type: "file" }`. */
declare module "*.ico" {
  const path: string;
  export default path;
}
